use super::*;
use crate::host::lines::Shown;
use crate::host::names::LinkName;
use crate::host::narrate::Evidence;
use lubdub::wire::loss::Loss;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn names() -> Names {
    Names {
        me: "node1".into(),
        peer: "node2".into(),
        groups: vec!["192.168.20.100/24/eth0".into(), "we\"b".into()],
        links: ["/dev/ttyS1", "eth1"].map(|name| LinkName { name: name.into(), kind: "serial" }).into(),
    }
}

fn lines(make: impl FnOnce(&Follow<'_>) -> Vec<String>) -> String {
    let timing = Timing { keepalive: MS(100), warntime: MS(200), deadtime: MS(300), initdead: MS(3_000) };
    let names = names();
    let follow = Follow { time: Stamp::from_micros(1_784_000_000_123_456), uptime: MS(4_567), names: &names, timing };
    let head = "{\"time\":\"2026-07-14T03:33:20.123Z\",\"uptime_ms\":4567,";
    let strip = |line: String| line.strip_prefix(head).unwrap_or_else(|| panic!("{line}")).to_owned();
    make(&follow).into_iter().map(strip).collect()
}

#[test]
fn every_event_of_the_node() {
    let claims = (Term(3), Term(5));
    let events = [
        Event::Link { link: 1, from: LinkState::Up, to: LinkState::Down, why: Some(LinkWhy::Silence) },
        Event::Link { link: 0, from: LinkState::OneWay, to: LinkState::Up, why: None },
        Event::Peer { from: PeerState::Alive, to: PeerState::Dead, silent: MS(301) },
        Event::Peer { from: PeerState::Unknown, to: PeerState::Alive, silent: MS(0) },
        Event::Peer { from: PeerState::Unknown, to: PeerState::Untrusted(Untrusted::OtherVersion(9)), silent: MS(2) },
        Event::Session { new_run: true, lost: Loss::Silence },
        Event::Late { interval: MS(250) },
        Event::DeadtimesDiffer { mine: MS(300), theirs: MS(500) },
        Event::Group { group: 0, from: State::Stopped, to: State::Starting, cause: Cause::Silence(MS(300)) },
        Event::Group {
            group: 1,
            from: State::Held,
            to: State::Stopping,
            cause: Cause::Yielded { mine: claims.0, theirs: claims.1 },
        },
        Event::Group { group: 9, from: State::Held, to: State::Giving, cause: Cause::Order },
        Event::Kept { group: 0, mine: claims.1, theirs: claims.0 },
        Event::StopFailed { group: 0, times: 2, again_in: MS(1_000) },
        Event::Stalled { length: MS(1_234) },
        Event::Lost { count: 7 },
    ];
    let shown = lines(|follow| events.iter().map(|event| follow.event(event, "notice")).collect());
    assert_eq!(shown, include_str!("events.txt"));
}

#[test]
fn ping_nodes() {
    use crate::host::eyes::PingNode;
    let news = |address: &str, group: Option<&str>, answers| PingNews {
        node: PingNode { address: address.parse().unwrap(), group: group.map(str::to_owned) },
        answers,
        silent: MS(300),
    };
    let silent = news("192.168.20.1", None, false);
    let back = news("2001:db8::1", Some("routers"), true);
    let shown = lines(|follow| vec![follow.ping(&silent, "warning"), follow.ping(&back, "notice")]);
    assert_eq!(
        shown,
        "\"event\":\"ping\",\"level\":\"warning\",\"node\":\"192.168.20.1\",\"state\":\"silent\",\"silent_ms\":300}\n\
         \"event\":\"ping\",\"level\":\"notice\",\"node\":\"2001:db8::1\",\"ping_group\":\"routers\",\
         \"state\":\"answering\",\"silent_ms\":300}\n"
    );
    assert_eq!(back.to_string(), "ping node 2001:db8::1 of routers: answers again, after 300 ms");
}

#[test]
fn the_lines_that_are_no_events() {
    let shown = lines(|follow| vec![follow.status("{\"node\":\"node1\"}"), follow.lost(3), follow.dropped(4)]);
    assert_eq!(
        shown,
        "\"event\":\"status\",\"status\":{\"node\":\"node1\"}}\n\"event\":\"lost\",\"count\":3}\n\
         \"event\":\"dropped\",\"why\":\"not-reading\",\"lost\":4}\n"
    );
}

#[test]
fn what_a_link_shows_of_its_other_end() {
    let cable = LinkName { name: "/dev/ttyS1".into(), kind: "serial" };
    let crossover = LinkName { name: "eth1".into(), kind: "bcast" };
    let lost = Evidence { link: &cable, before: Shown::Up, shown: Shown::Lost };
    let back = Evidence { link: &crossover, before: Shown::Lost, shown: Shown::Up };
    let shown = lines(|follow| vec![follow.evidence(&lost), follow.evidence(&back)]);
    assert_eq!(
        shown,
        "\"event\":\"lines\",\"level\":\"warning\",\"link\":\"/dev/ttyS1\",\"from\":\"up\",\"to\":\"lost\"}\n\
         \"event\":\"carrier\",\"level\":\"notice\",\"link\":\"eth1\",\"from\":\"lost\",\"to\":\"up\"}\n"
    );
    assert_eq!(lost.to_string(), "link /dev/ttyS1: lines: up -> lost: the other end is gone, or the cable is pulled");
}

#[test]
fn every_cause_has_a_word_of_its_own() {
    let term = Term(1);
    let causes = [
        Cause::Inventory,
        Cause::Consent,
        Cause::Goodbye,
        Cause::Silence(MS(1)),
        Cause::Started,
        Cause::StartFailed,
        Cause::Stopped,
        Cause::Order,
        Cause::Handover,
        Cause::Failback,
        Cause::Yielded { mine: term, theirs: term },
        Cause::Unheard,
        Cause::Leaving,
        Cause::NobodyAsks,
        Cause::Cleared,
    ];
    let mut known: Vec<_> = causes.into_iter().map(words::cause).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), causes.len());
}
