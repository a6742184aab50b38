//! The name that was probably meant.

/// Longest word that is compared, in bytes: a misspelling of a longer one is not guessed.
const WORD_MAX: usize = 40;

/// The candidate nearest to `word`, if it is near enough to be a misspelling: at most a third of its letters differ.
pub(super) fn nearest<'c>(word: &str, candidates: &mut dyn Iterator<Item = &'c str>) -> Option<&'c str> {
    let best = candidates
        .filter_map(|candidate| Some((distance(word, candidate)?, candidate)))
        .min_by_key(|&(distance, _)| distance);
    best.filter(|&(distance, candidate)| distance <= (candidate.len() / 3).max(1)).map(|(_, candidate)| candidate)
}

/// Edits that turn `a` into `b`, letter case aside: insert, delete, replace, or swap two neighbours (the optimal string
/// alignment distance). None when one of them is too long.
fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > WORD_MAX || b.len() > WORD_MAX {
        return None;
    }
    let mut before = [0; WORD_MAX + 1];
    let mut above = core::array::from_fn::<usize, { WORD_MAX + 1 }, _>(|j| j);
    for i in 1..=a.len() {
        let mut row = [i; WORD_MAX + 1];
        for j in 1..=b.len() {
            let same = |x: usize, y: usize| a[x - 1].eq_ignore_ascii_case(&b[y - 1]);
            let replace = above[j - 1] + usize::from(!same(i, j));
            row[j] = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j) {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        (before, above) = (above, row);
    }
    Some(above[b.len()])
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn counts_edits_and_swaps() {
        assert_eq!(distance("deadtime", "deadtime"), Some(0));
        assert_eq!(distance("daedtime", "deadtime"), Some(1));
        assert_eq!(distance("", "node"), Some(4));
        assert_eq!(distance("Keepaliv", "keepalive"), Some(1));
    }

    #[test]
    fn guesses_only_what_is_near() {
        let nearest = |word| nearest(word, &mut ["node", "bcast", "udpport"].into_iter());
        assert_eq!(nearest("undport"), Some("udpport"));
        assert_eq!(nearest("frobnicate"), None);
        assert_eq!(nearest("nodenodenodenodenodenodenodenodenodenodenode"), None);
    }
}
