//! From what a person typed to a command: forms, what else would have been possible, and what was probably meant.
//!
//! A form is written as it is shown: `cut serial [NODE]`. Small letters stand for themselves, `|` between them for a
//! choice, brackets for what may be left out (only at the end), `...` for the rest of the line.

/// One form of a command.
#[derive(Debug)]
pub struct Form<A> {
    /// Its words.
    pub pattern: &'static str,
    /// What it does, for the help text.
    pub help: &'static str,
    /// How it is done.
    pub action: A,
}

/// The two names, as typed.
pub const NODES: [&str; 2] = ["node1", "node2"];
/// A word further from all that is possible than this is not taken for a slip of the fingers.
const SLIP: usize = 2;

/// A place in a form.
struct Place<'a> {
    name: &'a str,
    optional: bool,
    rest: bool,
}

impl Place<'_> {
    fn all(pattern: &str) -> impl Iterator<Item = Place<'_>> {
        pattern.split_whitespace().map(|word| {
            let name = word.trim_start_matches('[').trim_end_matches(']');
            let rest = name.ends_with("...");
            Place { name: name.trim_end_matches("..."), optional: word.starts_with('['), rest }
        })
    }

    fn is_literal(&self) -> bool {
        self.name.starts_with(|first: char| first.is_ascii_lowercase())
    }

    /// The words that fit, where they can be listed.
    fn choices(&self) -> Vec<&str> {
        match self.name {
            "NODE" => NODES.to_vec(),
            name if self.is_literal() => name.split('|').collect(),
            _ => Vec::new(),
        }
    }

    /// For the person: what could stand here.
    fn expected(&self) -> Vec<String> {
        match self.name {
            "RATE" => vec!["a rate from 0 to 1".into()],
            "SECONDS" | "LINES" | "BAUD" | "PER_SECOND" => vec![format!("a number ({})", self.name)],
            _ if self.choices().is_empty() => vec![self.name.into()],
            _ => self.choices().into_iter().map(Into::into).collect(),
        }
    }

    /// The word in its usual form, if it fits.
    fn take(&self, word: &str) -> Option<String> {
        let fits = match self.name {
            "NODE" => return NODES.iter().find(|node| names(word, node)).map(|node| (*node).into()),
            "RATE" => word.parse().is_ok_and(|rate: f64| (0.0..=1.0).contains(&rate)),
            "SECONDS" | "LINES" | "BAUD" | "PER_SECOND" => word.parse::<u32>().is_ok(),
            _ => !self.is_literal() || self.choices().contains(&word),
        };
        fits.then(|| word.into())
    }
}

/// `1`, `node1`, `node1.a.com`
fn names(word: &str, node: &str) -> bool {
    word == node || node.strip_prefix("node") == Some(word) || word.strip_suffix(".a.com") == Some(node)
}

/// Where a form did not fit.
struct Misfit {
    at: usize,
    expected: Vec<String>,
}

/// The words in their usual form, or where they stop to fit.
fn fit(pattern: &str, words: &[&str]) -> Result<Vec<String>, Misfit> {
    let mut taken: Vec<String> = Vec::new();
    for place in Place::all(pattern) {
        let at = taken.len();
        let word = match words.get(at) {
            None if place.optional => return Ok(taken),
            Some(_) if place.rest => {
                taken.extend(words[at..].iter().map(|word| String::from(*word)));
                return Ok(taken);
            }
            word => word.and_then(|word| place.take(word)),
        };
        taken.push(word.ok_or_else(|| Misfit { at, expected: place.expected() })?);
    }
    if words.len() > taken.len() {
        return Err(Misfit { at: taken.len(), expected: Vec::new() });
    }
    Ok(taken)
}

/// The form that fits and the words in it, or a sentence for the person.
pub fn parse<'f, A>(forms: &'f [Form<A>], line: &str) -> Result<(&'f Form<A>, Vec<String>), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut misfits = Vec::new();
    for form in forms {
        match fit(form.pattern, &words) {
            Ok(taken) => return Ok((form, taken)),
            Err(misfit) => misfits.push(misfit),
        }
    }
    Err(explain(&words, &misfits))
}

/// What was read, what is possible there, and what is nearest to it.
fn explain(words: &[&str], misfits: &[Misfit]) -> String {
    let at = misfits.iter().map(|misfit| misfit.at).max().unwrap_or(0);
    let mut possible: Vec<String> =
        misfits.iter().filter(|misfit| misfit.at == at).flat_map(|misfit| misfit.expected.clone()).collect();
    possible.sort();
    possible.dedup();
    let (before, list) = (words[..at.min(words.len())].join(" "), possible.join(", "));
    let Some(word) = words.get(at) else {
        return format!("after \"{before}\" something is missing: {list}");
    };
    let nearest = nearest(word, &possible).map(|nearest| format!("; nearest: {nearest}")).unwrap_or_default();
    if before.is_empty() {
        format!("no command begins with \"{word}\"; possible: {list}{nearest}")
    } else if possible.is_empty() {
        format!("after \"{before}\" nothing more is possible, and \"{word}\" was read")
    } else {
        format!("after \"{before}\" \"{word}\" was read; possible: {list}{nearest}")
    }
}

fn nearest<'p>(word: &str, possible: &'p [String]) -> Option<&'p String> {
    let near = possible.iter().map(|candidate| (distance(word, candidate), candidate));
    near.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= SLIP).map(|(_, word)| word)
}

/// Letters to insert, leave out, change or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// What the last, unfinished word of a line may become, and where that word begins.
pub fn complete<A>(forms: &[Form<A>], line: &str) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, begun) = (line[..start].split_whitespace().collect::<Vec<_>>(), &line[start..]);
    let mut possible: Vec<String> = forms
        .iter()
        .filter_map(|form| {
            let place = Place::all(form.pattern).nth(before.len())?;
            let fits = Place::all(form.pattern).zip(&before).all(|(place, word)| place.take(word).is_some());
            fits.then(|| place.choices().into_iter().map(String::from).collect::<Vec<_>>())
        })
        .flatten()
        .filter(|choice| choice.starts_with(begun))
        .collect();
    possible.sort();
    possible.dedup();
    (start, possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [Form<u8>; 6] = [
        Form { pattern: "power off NODE", help: "", action: 1 },
        Form { pattern: "power on NODE", help: "", action: 2 },
        Form { pattern: "cut serial|eth1 [NODE]", help: "", action: 3 },
        Form { pattern: "noise serial RATE [NODE]", help: "", action: 4 },
        Form { pattern: "shell NODE COMMAND...", help: "", action: 5 },
        Form { pattern: "watch [SECONDS]", help: "", action: 6 },
    ];

    fn parsed(line: &str) -> (u8, String) {
        parse(&FORMS, line).map(|(form, words)| (form.action, words.join(" "))).unwrap()
    }

    fn refused(line: &str) -> String {
        parse(&FORMS, line).unwrap_err()
    }

    #[test]
    fn forms_fit() {
        assert_eq!(parsed("  power  off node1.a.com "), (1, "power off node1".into()));
        assert_eq!(parsed("power on 2"), (2, "power on node2".into()));
        assert_eq!(parsed("cut eth1"), (3, "cut eth1".into()));
        assert_eq!(parsed("noise serial 0.01 node2"), (4, "noise serial 0.01 node2".into()));
        assert_eq!(parsed("shell node1 ip -4 addr"), (5, "shell node1 ip -4 addr".into()));
        assert_eq!(parsed("watch"), (6, "watch".into()));
    }

    #[test]
    fn a_misfit_says_what_was_read_what_is_possible_and_what_is_near() {
        assert_eq!(
            refused("pwoer off node1"),
            "no command begins with \"pwoer\"; possible: cut, noise, power, shell, watch; nearest: power"
        );
        assert_eq!(refused("power fof node1"), "after \"power\" \"fof\" was read; possible: off, on; nearest: off");
        assert_eq!(refused("power off"), "after \"power off\" something is missing: node1, node2");
        assert_eq!(refused("cut serial xyz"), "after \"cut serial\" \"xyz\" was read; possible: node1, node2");
        assert_eq!(refused("noise serial 2"), "after \"noise serial\" \"2\" was read; possible: a rate from 0 to 1");
        assert_eq!(refused("watch 5 6"), "after \"watch 5\" nothing more is possible, and \"6\" was read");
        assert_eq!(refused("shell node1"), "after \"shell node1\" something is missing: COMMAND");
    }

    #[test]
    fn words_are_completed() {
        assert_eq!(complete(&FORMS, "po"), (0, vec!["power".into()]));
        assert_eq!(complete(&FORMS, "power o"), (6, vec!["off".into(), "on".into()]));
        assert_eq!(complete(&FORMS, "cut serial "), (11, vec!["node1".into(), "node2".into()]));
        assert_eq!(complete(&FORMS, "cut nothing "), (12, vec![]));
    }

    #[test]
    fn neighbours_that_changed_places_are_one_slip() {
        assert_eq!([distance("pwoer", "power"), distance("", "abc"), distance("abc", "abc")], [1, 3, 0]);
    }
}
