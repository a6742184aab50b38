//! The three files as texts, each refused when it is not what it should be as a file.

use super::Finding;
use crate::host::{NOT_PERMITTED, REFUSED};
use lubdub::conf::{self, Config, Diagnostics, Guarantee, Source};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The bits of a mode that say who may do what.
const PERMISSIONS: u32 = 0o7777;
/// The one of them that lets everybody write.
const ANYBODY_WRITES: u32 = 0o002;
/// Those of them that let others than the owner near a secret.
const OTHERS: u32 = 0o077;

/// What stands in for authkeys where only ha.cf is read.
const NO_KEYS: &str = "auth 1\n1 crc\n";

/// The texts of the three files, from which a [`Config`] borrows.
#[derive(Debug)]
pub struct Texts {
    /// Who the nodes are, the links, the times.
    pub ha_cf: String,
    /// The groups.
    pub haresources: String,
    /// The keys.
    pub authkeys: String,
    /// The path of each, in this order, for diagnostics.
    paths: [String; 3],
    /// What is doubtful about them as files.
    doubts: Vec<Finding>,
}

/// Files that are refused as files.
#[derive(Debug)]
pub struct Unfit {
    /// One for each that is refused.
    pub findings: Vec<Finding>,
    /// This user may not read one of them: whether the configuration is any good is not known.
    denied: bool,
}

impl Unfit {
    /// What to end with.
    pub fn exit_code(&self) -> u8 {
        if self.denied { NOT_PERMITTED } else { REFUSED }
    }

    /// What is the case, without the remedies.
    pub fn messages(&self) -> String {
        self.findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
    }
}

impl Texts {
    /// The configuration of the node `node`; none when `diagnostics` got an error.
    pub fn read<'a>(&'a self, node: &'a str, diagnostics: &mut Diagnostics<'a>) -> Option<Config<'a>> {
        let [ha_cf, haresources, authkeys] = self.sources();
        conf::read(ha_cf, haresources, authkeys, node, diagnostics)
    }

    /// What `config`, which was read from these texts, guarantees where the kernel has nf_tables or has not;
    /// `diagnostics` gets an error for whatever `exclusive on` does not allow.
    pub fn judge<'a>(
        &'a self,
        config: &Config<'a>,
        fine_available: bool,
        diagnostics: &mut Diagnostics<'a>,
    ) -> Guarantee {
        let guarantee = Guarantee::of(config, fine_available);
        let [ha_cf, haresources, _] = self.sources();
        guarantee.judge(config, &ha_cf, &haresources, diagnostics);
        guarantee
    }

    /// What is doubtful about the files as files: who may change them, and whose they are.
    pub fn doubts(&self) -> &[Finding] {
        &self.doubts
    }

    fn sources(&self) -> [Source<'_>; 3] {
        let [ha_cf, haresources, authkeys] = self.paths.each_ref();
        let source = |name, text| Source { name, text };
        [source(ha_cf, &self.ha_cf), source(haresources, &self.haresources), source(authkeys, &self.authkeys)]
    }
}

/// Reads the three files of `config_dir`, at most 64 KiB each; bytes that are not UTF-8 become U+FFFD, which the parser
/// refuses where it matters.
///
/// # Errors
/// A finding for each file that is refused.
pub fn load(config_dir: &Path) -> Result<Texts, Unfit> {
    let paths = paths(config_dir);
    let mut doubts = Vec::new();
    let folder = config_dir.metadata().ok();
    doubts.extend(folder.and_then(|metadata| open_to_all(&config_dir.display().to_string(), &metadata)));
    let [ha_cf, haresources, authkeys] = paths.each_ref();
    let mut read = |path, secret| read(path, secret, &mut doubts);
    match (read(ha_cf, false), read(haresources, false), read(authkeys, true)) {
        (Ok(ha_cf), Ok(haresources), Ok(authkeys)) => Ok(Texts { ha_cf, haresources, authkeys, paths, doubts }),
        (ha_cf, haresources, authkeys) => {
            let refused = [ha_cf.err(), haresources.err(), authkeys.err()].into_iter().flatten();
            let (findings, denied): (Vec<_>, Vec<_>) = refused.unzip();
            Err(Unfit { findings, denied: denied.contains(&true) })
        }
    }
}

/// Reads ha.cf of `config_dir` as [`load`] does, and no other file: no groups, and a key that is none.
///
/// # Errors
/// The file is refused.
pub fn load_ha_cf(config_dir: &Path) -> Result<Texts, Unfit> {
    let (paths, mut doubts) = (paths(config_dir), Vec::new());
    match read(&paths[0], false, &mut doubts) {
        Ok(ha_cf) => Ok(Texts { ha_cf, haresources: String::new(), authkeys: NO_KEYS.to_owned(), paths, doubts }),
        Err((finding, denied)) => Err(Unfit { findings: vec![finding], denied }),
    }
}

fn paths(config_dir: &Path) -> [String; 3] {
    ["ha.cf", "haresources", "authkeys"].map(|name| config_dir.join(name).display().to_string())
}

/// The text of a file, or why not and whether that is for want of permission.
fn read(path: &str, secret: bool, doubts: &mut Vec<Finding>) -> Result<String, (Finding, bool)> {
    let unreadable = |why: io::Error| {
        let finding = Finding::error(format!("{path}: cannot be read: {why}"), remedy_for(path, &why));
        (finding, why.kind() == io::ErrorKind::PermissionDenied)
    };
    // Without O_NONBLOCK a FIFO in the file's place would hold the daemon up until somebody writes.
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    refuse_unfit(path, &metadata, secret).map_err(|finding| (finding, false))?;
    doubts.extend(if secret { of_a_stranger(path, &metadata) } else { open_to_all(path, &metadata) });
    read_text(file).map_err(unreadable)
}

/// Whether anybody may change what root acts upon.
fn open_to_all(path: &str, metadata: &Metadata) -> Option<Finding> {
    let mode = metadata.mode() & PERMISSIONS;
    let message = || format!("{path}: its mode is {mode:04o}: anybody can change what lubdub does here as root");
    (mode & ANYBODY_WRITES != 0).then(|| Finding::warning(message(), format!("chmod o-w {path}")))
}

/// Whether the keys belong to somebody who is neither root nor this user.
fn of_a_stranger(path: &str, metadata: &Metadata) -> Option<Finding> {
    let (owner, me) = (metadata.uid(), nix::unistd::geteuid().as_raw());
    let message = || format!("{path}: it belongs to the user {owner}, who can read and change the keys");
    (owner != 0 && owner != me).then(|| Finding::warning(message(), format!("chown root {path}")))
}

fn remedy_for(path: &str, why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound if path.ends_with("haresources") => {
            format!("write the groups to {path}; an empty file is allowed, and then nothing moves")
        }
        io::ErrorKind::NotFound => format!("write {path}, the same on both nodes"),
        io::ErrorKind::PermissionDenied => "run as root".into(),
        _ => format!("make {path} a readable file"),
    }
}

fn refuse_unfit(path: &str, metadata: &Metadata, secret: bool) -> Result<(), Finding> {
    if !metadata.is_file() {
        return Err(Finding::error(format!("{path}: not a regular file"), format!("make {path} a regular file")));
    }
    if metadata.len() > conf::FILE_MAX as u64 {
        let message = format!("{path}: {} bytes, more than the {} that are read", metadata.len(), conf::FILE_MAX);
        return Err(Finding::error(message, "remove what does not belong there"));
    }
    let mode = metadata.mode() & PERMISSIONS;
    if secret && mode & OTHERS != 0 {
        let message = format!("{path}: its mode is {mode:04o}: others than the owner can reach the keys");
        return Err(Finding::error(message, format!("chmod 600 {path}")));
    }
    Ok(())
}

/// The whole text; a file that has grown since its length was looked at is still bounded.
fn read_text(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(conf::FILE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{REFUSED, Texts, load, load_ha_cf};
    use lubdub::conf::{self, Diagnostics};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A folder of the three files, removed again when it is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lubdub-check-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            let folder = Self(path);
            folder.write("ha.cf", b"node alpha beta\nbcast eth1\nauto_failback on\n");
            folder.write("haresources", b"alpha web\n");
            folder.write("authkeys", b"auth 1\n1 md5 secret\n");
            folder.set_mode(0o600);
            folder
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            fs::write(self.0.join(name), bytes).unwrap();
        }

        fn set_mode(&self, mode: u32) {
            fs::set_permissions(self.0.join("authkeys"), Permissions::from_mode(mode)).unwrap();
        }

        fn refusal(&self) -> String {
            let findings = load(&self.0).err().map(|unfit| unfit.findings).unwrap_or_default();
            let messages: Vec<_> = findings.iter().map(ToString::to_string).collect();
            messages.join("\n").replace(&self.0.display().to_string(), "DIR")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn runs(texts: &Texts) -> bool {
        texts.read("alpha", &mut Diagnostics::new()).is_some()
    }

    #[test]
    fn good_files_are_read() {
        let folder = Folder::new("good");
        assert!(runs(&load(&folder.0).unwrap()));
        folder.set_mode(0o400);
        assert!(runs(&load(&folder.0).unwrap()));
    }

    #[test]
    fn keys_that_others_can_reach_are_refused() {
        let folder = Folder::new("mode");
        for mode in [0o644, 0o640, 0o602, 0o601, 0o4666] {
            folder.set_mode(mode);
            let expected = format!(
                "error: DIR/authkeys: its mode is {mode:04o}: others than the owner can reach the keys\n  \
                 remedy: chmod 600 DIR/authkeys"
            );
            assert_eq!(folder.refusal(), expected);
        }
    }

    #[test]
    fn files_that_anybody_can_change_and_keys_of_a_stranger_are_doubted() {
        let folder = Folder::new("doubts");
        let doubts = || {
            let texts = load(&folder.0).unwrap();
            let doubts: Vec<_> = texts.doubts().iter().map(ToString::to_string).collect();
            doubts.join("\n").replace(&folder.0.display().to_string(), "DIR")
        };
        let mode = |name: &str, mode| {
            fs::set_permissions(folder.0.join(name), Permissions::from_mode(mode)).unwrap();
        };
        assert_eq!(doubts(), "");
        for (name, path, open, good) in [
            ("", "DIR", 0o777, 0o755),
            ("ha.cf", "DIR/ha.cf", 0o646, 0o644),
            ("haresources", "DIR/haresources", 0o666, 0o664),
        ] {
            mode(name, open);
            let expected = format!(
                "warning: {path}: its mode is {open:04o}: anybody can change what lubdub does here as root\n  \
                 remedy: chmod o-w {path}"
            );
            assert_eq!(doubts().replace("DIR/\n", "DIR\n"), expected);
            mode(name, good);
        }
        assert!(nix::unistd::geteuid().is_root(), "this test gives a file away, which takes root");
        std::os::unix::fs::chown(folder.0.join("authkeys"), Some(12_345), None).unwrap();
        assert!(doubts().starts_with("warning: DIR/authkeys: it belongs to the user 12345"), "{}", doubts());
    }

    #[test]
    fn ha_cf_alone_can_be_read() {
        let folder = Folder::new("alone");
        for name in ["haresources", "authkeys"] {
            fs::remove_file(folder.0.join(name)).unwrap();
        }
        assert!(runs(&load_ha_cf(&folder.0).unwrap()));
        fs::remove_file(folder.0.join("ha.cf")).unwrap();
        let unfit = load_ha_cf(&folder.0).err().unwrap();
        assert!(unfit.messages().contains("ha.cf: cannot be read: No such file"), "{}", unfit.messages());
        assert_eq!(unfit.exit_code(), REFUSED);
    }

    #[test]
    fn every_unfit_file_is_named() {
        let folder = Folder::new("unfit");
        fs::remove_file(folder.0.join("haresources")).unwrap();
        fs::create_dir(folder.0.join("haresources")).unwrap();
        folder.write("ha.cf", &vec![b'#'; conf::FILE_MAX + 1]);
        fs::remove_file(folder.0.join("authkeys")).unwrap();
        let refusal = folder.refusal();
        assert!(refusal.contains("DIR/ha.cf: 65537 bytes, more than the 65536"), "{refusal}");
        assert!(refusal.contains("DIR/haresources: not a regular file"), "{refusal}");
        assert!(refusal.contains("DIR/authkeys: cannot be read: No such file"), "{refusal}");
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let folder = Folder::new("fifo");
        fs::remove_file(folder.0.join("ha.cf")).unwrap();
        nix::unistd::mkfifo(&folder.0.join("ha.cf"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(folder.refusal(), "error: DIR/ha.cf: not a regular file\n  remedy: make DIR/ha.cf a regular file");
    }

    #[test]
    fn bytes_that_are_no_text_reach_the_parser() {
        let folder = Folder::new("bytes");
        folder.write("haresources", b"alpha we\xffb # \xff\n");
        assert!(!runs(&load(&folder.0).unwrap()));
        folder.write("haresources", b"alpha web # \xff\n");
        assert!(runs(&load(&folder.0).unwrap()));
    }
}
