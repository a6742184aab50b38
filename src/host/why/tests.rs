use super::*;
use lubdub::journal::story::Summary;
use lubdub::node::{Evidence, LinkEvidence, LinkState, Timing};
use lubdub::time::Instant;
use lubdub::wire::beat::{GroupWord, State, Term};

const MS: fn(u64) -> lubdub::time::Duration = lubdub::time::Duration::from_millis;
/// 2026-07-14T03:33:20.123Z
const WALL: u64 = 1_784_000_000_123_456;

fn at(millis: u64) -> Instant {
    Instant::ZERO + MS(millis)
}

fn evidence(cable: u64, crossover: u64, word: GroupWord) -> Evidence {
    let heard = |millis, beat| LinkEvidence { at: Some(at(millis)), beat, state: LinkState::Down };
    let last = at(cable.max(crossover));
    Evidence {
        links: [heard(cable, 1_512), heard(crossover, 1_511)].into_iter().collect(),
        peer_heard: Some(last),
        silent_since: last,
        word: Some(word),
        echo: 1_400,
    }
}

fn decision(millis: u64, event: Event) -> Decision {
    let word = GroupWord { state: State::Held, term: Term(1), ..GroupWord::default() };
    Decision { at: at(millis), wall: WALL, event, evidence: evidence(9_700, 9_610, word) }
}

fn turn(from: State, to: State, cause: Cause) -> Event {
    Event::Group { group: 0, from, to, cause }
}

fn summary() -> Summary<'static> {
    let mut story = Story::default();
    story.add(decision(10_000, turn(State::Stopped, State::Starting, Cause::Silence(MS(300)))));
    story.add(decision(10_012, turn(State::Starting, State::Held, Cause::Started)));
    let mut peer_story = Story::default();
    let dead = Event::Peer { from: PeerState::Alive, to: PeerState::Dead, silent: MS(300) };
    peer_story
        .add(Decision { evidence: Evidence { word: None, ..decision(0, dead).evidence }, ..decision(10_000, dead) });
    Summary {
        node: "node2",
        peer: "node1",
        links: "/dev/ttyS1\neth1",
        groups: "web\ndb",
        since: at(1_000),
        at: at(11_000),
        wall: WALL,
        timing: Timing { keepalive: MS(100), warntime: MS(200), deadtime: MS(300), initdead: MS(3_000) },
        peer_story,
        stories: [story, Story::default()].into_iter().collect(),
    }
}

#[test]
fn the_person_at_the_console_reads_the_rule_and_what_was_heard() {
    let text = Why::new(&summary(), true).tell(None, false).unwrap();
    assert_eq!(
        text,
        "node2 at 2026-07-14T03:33:20.123Z

group web
  2026-07-14T03:33:20.123Z  group web: stopped -> starting: takeover, node1 has been silent for 300 ms
    rule: silence: nothing fresh on any link for deadtime (300 ms), and every link was read once more before that was believed
    last heard from node1 before that:
      /dev/ttyS1: 300 ms before (beat 1512), link down  <- the last word
      eth1: 390 ms before (beat 1511), link down
    node1 last said of the group: held, claim 1
  2026-07-14T03:33:20.123Z  group web: starting -> held: every resource runs
    12 ms later

group db
  nothing has happened to it since the daemon started

peer node1
  2026-07-14T03:33:20.123Z  node node1: alive -> dead: silent on every link for 300 ms (deadtime 300 ms)
    rule: silence: nothing fresh on any link for deadtime (300 ms)
    last heard from node1 before that:
      /dev/ttyS1: 300 ms before (beat 1512), link down  <- the last word
      eth1: 390 ms before (beat 1511), link down
"
    );
}

#[test]
fn one_group_as_json() {
    let json = Why::new(&summary(), false).tell(Some("web"), true).unwrap();
    let decision = "{\"time\":\"2026-07-14T03:33:20.123Z\",\"uptime_ms\":9000,\"event\":\"group\",\"level\":\"warning\",\
        \"group\":\"web\",\"from\":\"stopped\",\"to\":\"starting\",\"why\":\"silence\",\"silent_ms\":300,\
        \"rule\":\"silence: nothing fresh on any link for deadtime (300 ms), and every link was read once more before \
        that was believed\",\"heard_before_us\":300000,\"links\":[\
        {\"link\":\"/dev/ttyS1\",\"state\":\"down\",\"beat\":1512,\"heard_before_us\":300000},\
        {\"link\":\"eth1\",\"state\":\"down\",\"beat\":1511,\"heard_before_us\":390000}],\
        \"peer_said\":{\"state\":\"held\",\"term\":1,\"asks\":false,\"grants\":false,\"ordered\":false}}";
    assert!(json.contains(decision), "{json}");
    assert!(
        json.starts_with("{\"node\":\"node2\",\"time\":\"2026-07-14T03:33:20.123Z\",\"alive\":false,\"groups\":[{")
    );
    assert!(!json.contains("\"db\""), "{json}");
}

#[test]
fn who_asks_why_at_the_nodes_own_journal_is_not_told_to_copy_it() {
    let cut = Refusal::Cut { has: 100, wants: 200 };
    for (refusal, what) in [(cut, "cut off: 100 bytes where its header says 200; "), (Refusal::Damaged, "damaged: ")] {
        for (alive, remedy) in [(true, "the daemon writes it anew"), (false, "the next daemon begins a new one")] {
            let text = refused(refusal, alive);
            assert!(text.starts_with(what) && text.contains(remedy) && !text.contains("copy"), "{text}");
        }
    }
    assert_eq!(refused(Refusal::NotAJournal, true), Refusal::NotAJournal.to_string());
}

#[test]
fn an_unknown_group_is_refused_with_those_there_are() {
    let (code, text) = Why::new(&summary(), true).tell(Some("mail"), false).unwrap_err();
    assert_eq!((code, text.as_str()), (64, "no group `mail`; expected one of: web, db"));
}

#[test]
fn a_peer_that_was_never_heard_is_judged_by_initdead() {
    let mut alone = decision(4_000, turn(State::Stopped, State::Starting, Cause::Silence(MS(3_000))));
    alone.evidence.peer_heard = None;
    let rule = rule(&alone, &summary());
    assert!(rule.contains("for initdead (3 s), for node1 was never heard in this run"), "{rule}");
}

#[test]
fn every_cause_has_a_rule_of_its_own_or_none() {
    let causes = [Cause::Consent, Cause::Goodbye, Cause::Order, Cause::Handover, Cause::Failback, Cause::Leaving];
    let rules = causes.map(|cause| group_rule(cause, "node1", ""));
    for (number, rule) in rules.iter().enumerate() {
        assert!(!rules[..number].contains(rule), "{rule}");
    }
    assert!(group_rule(Cause::Stopped, "node1", "").starts_with("none"));
}
