//! `vibrissa rehearse` as a user runs it: a page and a permit, and plans that deserve none.

use std::path::{Path, PathBuf};

use vibrissa::model::Model;
use vibrissa::trigger::permit::Permit;
use vibrissa::trigger::plan::Plan;

use crate::commands::{fails, succeeds, text};

const MODEL: &str = "models/simulated";

fn rule(name: &str, more: &str) -> String {
    format!(
        "\n[[rules]]\nname = \"{name}\"\noutput = \"laser\"\nstimulus = {{ kind = \"pulse\", on_millis = 100 }}\n\
         refractory = {{ pair_millis = 2000, cage_millis = 0, rig_millis = 0 }}\nfalse_per_hour_max = 1000.0\n{more}\n"
    )
}

const OUTPUT: &str = r#"
name = "rehearsed"
rig = "rig1"

[outputs.laser]
kind = "serial"
device = "/dev/ttyACM0"
protocol = "vibrissa"
bounded_by = "device"
channel = 1
on_time_max_millis = 1000

[limits.laser]
count_per_hour_max = 10000
count_per_session_max = 10000
on_millis_per_hour_max = 3600000
on_millis_per_session_max = 3600000
"#;

const SCORE: &str =
    "\n[rules.score]\nlabel_set = \"SimRat\"\nbehaviors = [\"sniff\"]\ndelay_ticks = 0\non = 0.5\noff = 0.2\n";

/// Noses within a fifth of a body length.
fn near(aim: &str) -> String {
    format!(
        "aim = {{ label_set = \"SimRat\", behaviors = [{aim}] }}\n\n[[rules.geometry]]\nquantity = \"nose-to-nose\"\n\
         side = \"below\"\non = 0.2\noff = 0.5\n"
    )
}

struct Rehearsal {
    folder: tempfile::TempDir,
}

impl Rehearsal {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("corpus");
        let lab = ["simulate", "--lab", "SimRat", "--preset", "clean", "--minutes", "1.5", "--split", "test"];
        succeeds(&[&lab[..], &["--out", text(&corpus)]].concat());
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, rules: &str) -> PathBuf {
        let path = self.path("plan.toml");
        std::fs::write(&path, format!("{OUTPUT}{rules}")).unwrap();
        path
    }

    fn of(&self, plan: &Path) -> (String, Permit) {
        let (corpus, out) = (self.path("corpus"), self.path("out"));
        let said = succeeds(&Self::arguments(plan, &corpus, &out));
        (said, Permit::read(&out.join("permit.json")).unwrap())
    }

    fn refused(&self, plan: &Path) -> String {
        fails(&Self::arguments(plan, &self.path("corpus"), &self.path("out")))
    }

    fn arguments<'a>(plan: &'a Path, corpus: &'a Path, out: &'a Path) -> [&'a str; 9] {
        ["rehearse", "--model", MODEL, "--triggers", text(plan), "--corpus", text(corpus), "--out", text(out)]
    }
}

#[test]
fn a_rehearsal_writes_a_page_and_a_permit_and_each_rule_has_to_pass_by_itself() {
    let rehearsal = Rehearsal::new();
    let plan = rehearsal.plan(&[rule("learned", SCORE), rule("near", &near("\"sniff\""))].concat());
    let (said, permit) = rehearsal.of(&plan);
    assert!(said.contains("learned: ") && said.contains("near: "), "{said}");
    let [learned, near_rule] = &permit.rules[..] else { panic!("{permit:?}") };
    assert!(learned.triggers > 0 && learned.bouts > 0 && learned.labelled_hours > 0.05, "{learned:?}");
    // Each is played alone: beside the other, or by itself, a rule does the same.
    let (_, alone) = rehearsal.of(&rehearsal.plan(&rule("near", &near("\"sniff\""))));
    assert_eq!(&alone.rules[0], near_rule);
    // And a second time the same as the first.
    let plan = rehearsal.plan(&[rule("learned", SCORE), rule("near", &near("\"sniff\""))].concat());
    let (_, again) = rehearsal.of(&plan);
    assert_eq!(again.rules, permit.rules);
    let page = std::fs::read_to_string(rehearsal.path("out").join("rehearsal.html")).unwrap();
    assert!(page.contains("<html") && page.contains("learned") && !page.contains("http"), "a page that opens offline");
    let (plan, hash) = (Plan::read(&plan).unwrap(), Model::load(Path::new(MODEL)).unwrap().hash().to_owned());
    assert_eq!((permit.plan_hash.as_str(), permit.model.as_str()), (plan.hash.as_str(), hash.as_str()));
}

#[test]
fn a_plan_whose_triggers_cannot_be_held_against_labels_is_refused() {
    let rehearsal = Rehearsal::new();
    let of = |rules: &str| rehearsal.refused(&rehearsal.plan(rules));
    let self_aim = rule("r", &near("\"rest\""));
    assert!(
        of(&self_aim).contains("expected behaviors that the rule can be about, which is of agent and target, got self")
    );
    let mixed = rule("r", &near("\"sniff\", \"tussle\""));
    assert!(of(&mixed).contains("expected behaviors of one kind, got mutual beside directed"));
    let unknown = rule("r", &near("\"snif\""));
    assert!(of(&unknown).contains("got SimRat snif"));
    let late = rule("r", &SCORE.replace("delay_ticks = 0", "delay_ticks = 60").replace("sniff", "attack"));
    let said = of(&late);
    assert!(said.contains("the median bout of these recordings, got 60"), "{said}");
}

#[test]
fn a_rule_that_nobody_labelled_anything_for_gets_no_permit() {
    let rehearsal = Rehearsal::new();
    let geometry = near("\"sniff\"");
    let aimless = &geometry[geometry.find("[[rules.geometry]]").unwrap()..];
    let plan = rehearsal.plan(&rule("r", aimless));
    let (said, permit) = rehearsal.of(&plan);
    assert!(said.contains("DOES NOT PASS"), "{said}");
    let refused = permit.check(&Plan::read(&plan).unwrap(), &permit.model).unwrap_err().to_string();
    assert!(refused.contains("labelled hours"), "{refused}");
}
