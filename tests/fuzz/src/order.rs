//! The request line of the control socket.

use crate::request_line::{Line, OrderWords, Overlong, REQUEST_MAX, WAIT_MAX};

type Words = Result<Option<Vec<String>>, Overlong>;

/// A request means the same however its bytes are cut, is bounded, and its words are what stands between blanks.
pub fn request(data: &[u8]) {
    let Some((step, bytes)) = data.split_first() else { return };
    let whole = Line::default().take(bytes);
    assert_eq!(whole, in_pieces(bytes, usize::from(*step).max(1)), "cut every {step} bytes");
    match whole {
        Ok(Some(words)) => judge(&words, bytes),
        Ok(None) => assert!(bytes.len() <= REQUEST_MAX && !bytes.contains(&b'\n')),
        Err(Overlong) => assert!(bytes.iter().take(REQUEST_MAX + 1).all(|byte| *byte != b'\n')),
    }
}

fn in_pieces(bytes: &[u8], step: usize) -> Words {
    let mut line = Line::default();
    for piece in bytes.chunks(step) {
        match line.take(piece) {
            Ok(None) => {}
            end => return end,
        }
    }
    Ok(None)
}

fn judge(words: &[String], bytes: &[u8]) {
    // A byte that is no UTF-8 becomes U+FFFD, which has three.
    assert!(words.iter().map(String::len).sum::<usize>() <= 3 * REQUEST_MAX);
    assert!(words.iter().all(|word| !word.is_empty() && !word.contains([' ', '\t', '\n', '\r', '\x0c'])));
    let end = bytes.iter().position(|byte| *byte == b'\n');
    assert!(end.is_some_and(|end| end <= REQUEST_MAX));
    let order = OrderWords::read(words);
    assert!(order.wait <= WAIT_MAX && !order.what.is_empty());
}
