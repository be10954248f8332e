//! What consumers of a published chart type: stock helm and cosign, as lines for a POSIX shell.
//!
//! Owns which command fits which settings, and that nothing in a line is more than a word to the shell.

use super::escape::is_unseen;
use crate::lock::Pin;
use crate::oci::{Reference, Repository};
use crate::settings::{Access, Role, Settings, Signing, SigningService};

/// One command and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What it does, as a heading.
    pub what: &'static str,
    /// The line.
    pub line: String,
}

/// A keyring that provenance is checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringFile {
    /// The file, from the workspace's root.
    pub path: String,
    /// Whether it is text: helm reads binary keyrings only.
    pub armored: bool,
}

/// A chart as its consumers see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) reference: &'a Reference,
    pub(super) version: &'a str,
    pub(super) pin: Option<&'a Pin>,
    pub(super) keyring: Option<&'a KeyringFile>,
    pub(super) role: Role,
}

/// The commands for this chart, those that trust least last.
pub(super) fn commands(settings: &Settings, place: Place<'_>) -> Vec<Command> {
    let repository = &place.reference.repository;
    let is_plain = *settings.access(repository.host()) == Access::PlainHttp;
    let helm = |words: &[&str]| {
        let mut line = vec!["helm", "pull"];
        line.extend(is_plain.then_some("--plain-http"));
        line.extend(words);
        shell(&line)
    };
    let url = format!("oci://{repository}");
    let mut commands = vec![Command { what: "pull it", line: helm(&[&url, "--version", place.version]) }];
    if let Some(pin) = place.pin {
        let line = helm(&[&format!("{url}@{}", pin.digest)]);
        commands.push(Command { what: "pull exactly these bytes, whatever the tag names", line });
    }
    if let Some(keyring) = place.keyring {
        let (before, path) = keyring.readable();
        let line = helm(&[&url, "--version", place.version, "--prov", "--verify", "--keyring", &path]);
        commands.push(Command {
            what: "pull it and check upstream's provenance",
            line: before.map(|before| format!("{before} && {line}")).unwrap_or(line),
        });
    }
    if let Some(words) = signer(&settings.signing, place.role) {
        let mut line = vec!["cosign".to_owned(), "verify".to_owned()];
        line.extend(is_plain.then(|| "--allow-http-registry".to_owned()));
        line.extend(words);
        line.extend(["-a".into(), format!("repository={repository}")]);
        line.extend(["-a".into(), format!("tag={}", place.reference.target)]);
        line.push(signed(repository, place));
        commands.push(Command { what: "check that it was published here, under this name", line: shell(&line) });
    }
    commands
}

/// By digest where it is known: what was checked is then what can be pulled.
fn signed(repository: &Repository, place: Place<'_>) -> String {
    match place.pin {
        Some(pin) => format!("{repository}@{}", pin.digest),
        None => place.reference.to_string(),
    }
}

impl KeyringFile {
    /// The file that helm reads, and the command that makes it.
    fn readable(&self) -> (Option<String>, String) {
        if !self.armored {
            return (None, self.path.clone());
        }
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let made = format!("{stem}-binary.gpg");
        (Some(format!("gpg --dearmor < {} > {}", quoted(&self.path), quoted(&made))), made)
    }
}

/// The words by which cosign knows whose signature counts; none where nothing is signed.
fn signer(signing: &Signing, role: Role) -> Option<Vec<String>> {
    let (mut words, service) = match signing {
        Signing::None => return None,
        Signing::Key(key) => (vec!["--key".to_owned(), key.public_key.to_string()], &key.service),
        Signing::Keyless(keyless) => {
            let words =
                ["--certificate-oidc-issuer", &keyless.issuer, "--certificate-identity", keyless.identity(role)];
            (words.map(str::to_owned).to_vec(), &keyless.service)
        }
    };
    let SigningService { trusted_root, signing_config: _, concurrency: _ } = service;
    if let Some(root) = trusted_root {
        words.extend(["--trusted-root".to_owned(), root.to_string()]);
    } else if matches!(signing, Signing::Key(_)) {
        // Without a trusted root signatures by a key need no log.
        words.push("--insecure-ignore-tlog".to_owned());
    }
    Some(words)
}

fn shell(words: &[impl AsRef<str>]) -> String {
    words.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// A word for a POSIX shell, in quotes where it would be more than one word otherwise.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A word for a shell in a command that a sentence suggests, in backticks and in one line: what would end one of the two, or would be
/// escaped there, is written as an escape, in the quotes that bash, zsh and ksh read those in.
#[must_use]
pub fn quotable(word: &str) -> String {
    let has_sharps = word.contains("##");
    let is_plain = |char: char| char != '`' && !is_unseen(char) && !(has_sharps && char == '#');
    if word.chars().all(is_plain) {
        return quoted(word);
    }
    let escaped = word.chars().map(|char| match char {
        '\\' | '\'' => format!("\\{char}"),
        char if is_plain(char) => char.to_string(),
        char => format!("\\U{:08x}", u32::from(char)),
    });
    format!("$'{}'", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        for (word, expect) in [
            ("oci://a.example/b@sha256:0", "oci://a.example/b@sha256:0"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's; rm -rf $HOME", "'it'\\''s; rm -rf $HOME'"),
            ("~", "'~'"),
            ("über", "'über'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quoted(word), expect);
        }
    }

    #[test]
    fn a_suggested_word_stays_one_word_of_one_command() {
        for (word, expect) in [
            ("charts", "charts"),
            ("a.example:5000/b@1.0.0", "a.example:5000/b@1.0.0"),
            ("my charts", "'my charts'"),
            ("it's", "'it'\\''s'"),
            ("a`b", r"$'a\U00000060b'"),
            ("a'`\\\n\u{202e}", r"$'a\'\U00000060\\\U0000000a\U0000202e'"),
            ("a#", "'a#'"),
            ("##[x]", r"$'\U00000023\U00000023[x]'"),
        ] {
            assert_eq!(quotable(word), expect);
            assert_eq!(super::super::escape::terminal(&format!("`cd {expect}`")), format!("`cd {expect}`"));
        }
    }

    #[test]
    fn an_armored_keyring_is_made_readable_first() {
        let check = |path: &str, armored, expect: (Option<&str>, &str)| {
            let (before, path) = KeyringFile { path: path.into(), armored }.readable();
            assert_eq!((before.as_deref(), path.as_str()), expect);
        };
        check("keyrings/a.gpg", false, (None, "keyrings/a.gpg"));
        check("keyrings/a.asc", true, (Some("gpg --dearmor < keyrings/a.asc > a-binary.gpg"), "a-binary.gpg"));
        check("a b", true, (Some("gpg --dearmor < 'a b' > 'a b-binary.gpg'"), "a b-binary.gpg"));
    }
}
