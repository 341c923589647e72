use super::*;

/// Another lab with the same formats: a resident attacks an intruder, grooming is its own.
pub(in crate::corpus) const OTHER_LAB: &str = r#"
    name = "residents"
    source = "made up"
    species = "mouse"

    [layout]
    pose_directory = "poses"
    annotation_directory = "labels"
    annotation_file = "{id}.txt"
    recording_id = { before = "DLC" }

    [stream]
    rate_hz = 25.0
    body_length_px = 80.0
    individuals = ["resident", "intruder"]

    [skeleton]
    name = "three"
    keypoints = ["nose", "spine", "tail"]
    front = "nose"
    centre = "spine"
    rear = "tail"
    edges = [["nose", "spine"], ["spine", "tail"]]

    [[label_sets]]
    name = "Attack"
    channel = "S1"
    behaviors = [{ name = "attack", kind = "directed" }, { name = "huddle", kind = "mutual" }]
    background = ["other"]
    excluded = ["human"]
    agent = "resident"
    target = "intruder"

    [[label_sets]]
    name = "Care"
    channel = "S2"
    behaviors = [{ name = "groom", kind = "self" }]
    background = ["other"]
    scored_within = "Attack"
    absent_channel = "unannotated"
    agent = "intruder"

    [split]
    test = ["b"]
"#;

#[test]
fn another_lab_writes_another_description() {
    let description = Description::parse(OTHER_LAB, Path::new("other.toml")).unwrap();
    assert_eq!(description.stream.confidence_min, CONFIDENCE_MIN);
    assert_eq!(description.layout.recording_id, IdRule::Before("DLC".to_string()));
    let ethogram = description.ethogram();
    assert_eq!(ethogram.behavior_count(), 3);
    assert_eq!(ethogram.find("Care", "groom").map(|behavior| behavior.0), Some(2));
}

#[test]
fn an_unsound_description_is_refused_with_both_sides() {
    for (from, to, wanted) in [
        ("rate_hz = 25.0", "rate_hz = 5.0", "expected a rate_hz within 10 to 240, got 5"),
        ("body_length_px = 80.0", "body_length_px = 80.0\nconfidence_min = 2", "confidence_min within 0 to 1, got 2"),
        ("name = \"Care\"", "name = \"Attack\"", r#"expected each label set once, got "Attack" again"#),
        ("excluded = [\"human\"]", "excluded = [\"other\"]", r#"one meaning for each label, got several for "other""#),
        ("scored_within = \"Attack\"", "scored_within = \"Care\"", r#"names a label set above it, got "Care""#),
        ("target = \"intruder\"", "", r#"an agent and a target, got none for the behavior "attack" of kind Directed"#),
        ("agent = \"intruder\"", "", r#"an agent, got none for the behavior "groom" of kind OfSelf"#),
        ("test = [\"b\"]", "test = [\"b\"]\nvalidation = [\"b\"]", r#"each recording once in split, got "b" again"#),
        ("species", "specie", "unknown field `specie`"),
        ("pose_directory", "pose_folder", "unknown field `pose_folder`"),
    ] {
        assert!(OTHER_LAB.contains(from), "{from}");
        let error = Description::parse(&OTHER_LAB.replace(from, to), Path::new("other.toml")).unwrap_err().to_string();
        assert!(error.starts_with("other.toml: ") && error.contains(wanted), "{error}\nis not\n{wanted}");
    }
}
