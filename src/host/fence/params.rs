//! Parameters as cluster-glue's plug-ins take them: in ha.cf values in an order, in the plug-in's environment by name.

/// The names that a plug-in gave on `getconfignames`, in their order.
///
/// # Errors
/// What it printed are no names of variables.
pub(super) fn names(printed: &str) -> Result<Vec<&str>, String> {
    let names: Vec<&str> = printed.split_ascii_whitespace().collect();
    if names.iter().all(|name| is_name(name)) {
        return Ok(names);
    }
    Err("getconfignames gives something else than names".to_owned())
}

/// Gives each value its name. Words that are all of the form `NAME=VALUE` and have every name in `names` are taken at
/// their word, also beyond those names: a plug-in lists only what it cannot do without. Otherwise the values are in the
/// order of the names, and the last name has all that is left, blanks included, as in Heartbeat.
///
/// # Errors
/// A value is missing. Its name is told, and no value.
pub(super) fn assign(text: &str, names: &[&str]) -> Result<Vec<(String, String)>, String> {
    match by_name(text, names) {
        Some(named) => Ok(named),
        None => by_position(text, names),
    }
}

fn by_name(text: &str, names: &[&str]) -> Option<Vec<(String, String)>> {
    let pairs = text.split_ascii_whitespace().map(|word| word.split_once('=').filter(|(name, _)| is_name(name)));
    let pairs: Vec<(&str, &str)> = pairs.collect::<Option<_>>()?;
    let complete = names.iter().all(|name| pairs.iter().any(|(given, value)| given == name && !value.is_empty()));
    complete.then(|| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn by_position(text: &str, names: &[&str]) -> Result<Vec<(String, String)>, String> {
    let mut rest = text.trim();
    let mut named = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let value = match rest.split_once(|c: char| c.is_ascii_whitespace()) {
            Some((value, left)) if at + 1 < names.len() => {
                rest = left.trim_start();
                value
            }
            _ => std::mem::take(&mut rest),
        };
        if value.is_empty() {
            return Err(format!("its parameter {name} is missing; it has, in this order: {}", names.join(" ")));
        }
        named.push(((*name).to_owned(), value.to_owned()));
    }
    Ok(named)
}

/// The name of a variable that a shell can read (POSIX, XBD 3.216).
fn is_name(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !word.starts_with(|c: char| c.is_ascii_digit()) && !word.is_empty() && word.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPMI: [&str; 3] = ["hostname", "userid", "passwd"];

    fn assigned(text: &str, names: &[&str]) -> Vec<String> {
        assign(text, names).unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn values_are_in_the_order_of_the_names() {
        assert_eq!(assigned("beta  admin\tx=1", &IPMI), ["hostname=beta", "userid=admin", "passwd=x=1"]);
        assert_eq!(assigned(" beta admin a long one ", &IPMI)[2], "passwd=a long one");
        assert_eq!(assigned("alpha beta", &["hostlist"]), ["hostlist=alpha beta"]);
        assert_eq!(assigned("ignored", &[]), [""; 0]);
    }

    #[test]
    fn a_missing_value_is_named() {
        let why = assign("beta secret", &IPMI).unwrap_err();
        assert_eq!(why, "its parameter passwd is missing; it has, in this order: hostname userid passwd");
        assert!(assign("", &IPMI).unwrap_err().contains("hostname is missing"));
    }

    #[test]
    fn values_by_name_have_any_order_and_more_than_the_plugin_needs() {
        let named = "passwd=p=q userid=admin hostname=beta priv=OPERATOR";
        assert_eq!(assigned(named, &IPMI), ["passwd=p=q", "userid=admin", "hostname=beta", "priv=OPERATOR"]);
        // Not all of them are there: these are values that happen to have the form.
        assert_eq!(assigned("a=1 b=2 passwd=3", &IPMI), ["hostname=a=1", "userid=b=2", "passwd=passwd=3"]);
        assert!(assign("hostname=beta userid=admin", &IPMI).is_err());
    }

    #[test]
    fn what_is_no_name_is_not_put_into_an_environment() {
        assert_eq!(names("hostlist\nipaddr user_2\n").unwrap(), ["hostlist", "ipaddr", "user_2"]);
        assert_eq!(names("").unwrap(), [""; 0]);
        for odd in ["usage: plug-in {on|off}", "a=b", "2nd"] {
            assert!(names(odd).is_err(), "{odd}");
        }
    }
}
