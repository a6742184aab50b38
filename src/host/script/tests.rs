use super::*;

fn said(words: &str, ended: Ended) -> Status {
    status(&Outcome { ended, words: words.to_owned() })
}

#[test]
fn heartbeats_words_win_over_the_exit_code() {
    for words in ["httpd (pid 7) is running...", "Running", "[ OK ]", "ldirectord is running, 2 stopped"] {
        assert_eq!(said(words, Ended::Exit(3)), Status::Running, "{words}");
    }
    for words in ["httpd is not running", "Not Running", "OK, not yet running"] {
        assert_eq!(said(words, Ended::Exit(0)), Status::Stopped, "{words}");
    }
    assert_eq!(said("httpd is stopped", Ended::Exit(0)), Status::Stopped);
}

#[test]
fn without_words_only_the_codes_for_not_running_are_believed() {
    for code in [1, 2, 3, 7] {
        assert_eq!(said("", Ended::Exit(code)), Status::Stopped);
    }
    for code in [0, 4, 5, 64, 126, 127] {
        assert!(matches!(said("active", Ended::Exit(code)), Status::Unknown(_)), "{code}");
    }
}

#[test]
fn a_status_that_did_not_end_by_itself_proves_nothing() {
    for ended in [Ended::Hung(Duration::from_secs(1)), Ended::Error(io::ErrorKind::NotFound.into())] {
        assert!(matches!(said("not running", ended), Status::Unknown(_)));
    }
    assert!(matches!(said("", Ended::Signal(9)), Status::Unknown(_)));
}
