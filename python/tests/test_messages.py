import json

import pytest

from vibrissa_rig import Event, MessageError, Revised, Status, VersionError

# The example of src/output/event.rs.
EVENT = json.loads(
    '{"version":1,"sequence":42,"publication_nanos":1700000000700000000,"rig":"rig1","cage":"cage1",'
    '"bout":"rig1/cage1/17c2f0a1-7","agent":"rat1","target":"rat2","behavior":"chase","kind":"directed",'
    '"label_set":"Lab","edge":"offset","onset_tick":300,"stop_tick":345,"decision_tick":360,"delay":15,"score":0.93,'
    '"revises":{"delay":0,"onset_tick":303,"stop_tick":340},"settled":false,"history_ticks":512,"warming":false,'
    '"identity":0.998,"capture_nanos":1700000000600000000,"clock":"unix","decision_nanos":1700000000690000000,'
    '"model":"3f","origin":"live"}'
)


def test_an_event_has_its_fields():
    event = Event.parse(json.dumps(EVENT))
    assert (event.sequence, event.edge, event.stop_tick, event.score) == (42, "offset", 345, 0.93)
    assert (event.agent, event.target, event.animals) == ("rat1", "rat2", ("rat1", "rat2"))
    assert event.revises == Revised(0, 303, 340)
    assert not event.others


def test_an_undirected_event_names_no_agent_and_a_self_behavior_one_animal():
    plain = {name: value for name, value in EVENT.items() if name not in ("agent", "target", "revises")}
    both = Event.parse(json.dumps(plain | {"animals": ["rat1", "rat2"]}))
    assert (both.agent, both.target, both.animals) == (None, None, ("rat1", "rat2"))
    alone = Event.parse(json.dumps(plain | {"agent": "rat2"}))
    assert (alone.agent, alone.target, alone.animals, alone.revises) == ("rat2", None, ("rat2",), None)


def test_unknown_fields_are_kept():
    revises = {"delay": 0, "onset_tick": 303, "by": "whom"}
    event = Event.parse(json.dumps(EVENT | {"mood": "playful", "revises": revises}))
    assert event.others == {"mood": "playful"}
    assert event.revises == Revised(0, 303)


@pytest.mark.parametrize("parse", [Event.parse, Status.parse])
def test_another_version_is_refused(parse):
    with pytest.raises(VersionError, match="of version 1, got 2: vibrissa-rig and the detector are of different age"):
        parse(json.dumps(EVENT | {"version": 2}))


@pytest.mark.parametrize("payload", [b"\xff\x00{", "[]", "{}", '{"version": 1}', ""])
def test_what_is_no_event_is_refused(payload):
    with pytest.raises(MessageError):
        Event.parse(payload)


def test_a_status_has_its_state_and_what_it_says_besides():
    fields = {"version": 1, "rig": "r", "cage": "c", "state": "swap-alarm", "animals": ["a", "b"], "confidence": 0.9}
    status = Status.parse(json.dumps(fields | {"nanos": 5, "model": "3f", "origin": "live", "counts": {"frames": 7}}))
    assert (status.state, status.counts["frames"]) == ("swap-alarm", 7)
    assert status.others == {"animals": ["a", "b"], "confidence": 0.9}
