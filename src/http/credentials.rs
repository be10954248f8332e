//! Credentials where people keep them: files that `docker login`, `helm registry login` and podman write, and Docker's helpers.
//!
//! Owns which files are asked, in which order, and what is kept out of messages. Reads the environment, sends nothing.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::Value;

use super::bounded;

/// The most bytes of a credential file, and the longest that a helper may take.
const FILE_LIMIT: u64 = 1 << 20;
const HELPER_TIME: Duration = Duration::from_secs(30);

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What identifies us to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A user name and a password.
    Password { user: String, password: Secret },
    /// A refresh token, to be changed for access tokens.
    Identity(Secret),
}

/// What was found for one registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) credential: Option<Credential>,
    /// Why there is none although one is configured; names the file.
    pub(crate) problem: Option<String>,
}

/// The credential files of one run, first match first.
#[derive(Debug, Clone, Default)]
pub struct Credentials(Vec<PathBuf>);

impl Credentials {
    /// The user's files: `$REGISTRY_AUTH_FILE`, which was named on purpose; then Helm's registry config, then Docker's
    /// `config.json`, in the order in which `helm` asks those two.
    #[must_use]
    pub fn of_user() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME").or_else(|| path("USERPROFILE"));
        let below_home = |tail: &str| home.as_ref().map(|home| home.join(tail));
        let helm = path("HELM_REGISTRY_CONFIG").or_else(|| {
            let folder = path("HELM_CONFIG_HOME")
                .or_else(|| path("XDG_CONFIG_HOME").map(|folder| folder.join("helm")))
                .or_else(|| {
                    below_home(if cfg!(target_os = "macos") { "Library/Preferences/helm" } else { ".config/helm" })
                })?;
            Some(folder.join("registry/config.json"))
        });
        let docker = path("DOCKER_CONFIG").or_else(|| below_home(".docker")).map(|folder| folder.join("config.json"));
        Self([path("REGISTRY_AUTH_FILE"), helm, docker].into_iter().flatten().collect())
    }

    /// These files alone; none means that nothing is ever sent.
    #[must_use]
    pub fn from_files(files: Vec<PathBuf>) -> Self {
        Self(files)
    }

    /// The credential for a registry, as references spell its host.
    pub(crate) async fn find(&self, host: &str) -> Found {
        let servers = match host {
            // Where Docker keeps what it logs in to by default, then where others keep it.
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => {
                vec!["https://index.docker.io/v1/".to_owned(), "docker.io".to_owned()]
            }
            host => vec![host.to_owned()],
        };
        let mut problem = None;
        for file in &self.0 {
            for server in &servers {
                match find_in(file.clone(), server.clone()).await {
                    Ok(Some(credential)) => return Found { credential: Some(credential), problem: None },
                    Ok(None) => {}
                    Err(error) => {
                        let error = format!("the credential for {host} in {} cannot be used: {error}", file.display());
                        problem = problem.or(Some(error));
                    }
                }
            }
        }
        Found { credential: None, problem }
    }
}

/// A helper may ask a person or the network, so it gets a thread of its own and only so much time.
async fn find_in(file: PathBuf, server: String) -> Result<Option<Credential>, String> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(look_up(&file, &server)));
    match tokio::time::timeout(HELPER_TIME, result).await {
        Ok(result) => result.unwrap_or_else(|_| Err("a defect in chartsync: reading it panicked".into())),
        Err(_) => Err(format!("the credential helper took more than {} s", HELPER_TIME.as_secs())),
    }
}

fn look_up(file: &PathBuf, server: &str) -> Result<Option<Credential>, String> {
    use std::io::Read as _;

    let mut content = Vec::new();
    let opened = std::fs::File::open(file);
    match opened.and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut content)) {
        Ok(size) if size as u64 > FILE_LIMIT => return Err(format!("it has more than {FILE_LIMIT} bytes")),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let config: Value = serde_json::from_slice(&content).map_err(|_| "it is not JSON".to_owned())?;
    check_helper(&config, server)?;
    match docker_credential::get_credential_from_reader(&content[..], server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(Credential::Password { user, password: Secret(password) }))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::Identity(Secret(token)))),
        Err(error) => none_or_problem(error),
    }
}

/// A helper's name becomes part of a program's name: it must not become a path.
fn check_helper(config: &Value, server: &str) -> Result<(), String> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(server));
    let name = own.or_else(|| config.get("credsStore")).and_then(Value::as_str).unwrap_or_default();
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        Ok(())
    } else {
        Err(format!("`{}` is not the name of a credential helper", bounded(name)))
    }
}

/// Docker's helpers say in words that they have nothing. What a failed helper wrote to stdout is never quoted: it may be a secret.
fn none_or_problem(error: CredentialRetrievalError) -> Result<Option<Credential>, String> {
    match error {
        CredentialRetrievalError::NoCredentialConfigured => Ok(None),
        CredentialRetrievalError::HelperFailure { stdout, stderr, .. }
            if format!("{stdout}{stderr}").contains("credentials not found") =>
        {
            Ok(None)
        }
        CredentialRetrievalError::HelperFailure { helper, stderr, .. } => {
            Err(bounded(&format!("`{helper}` failed: {}", bounded(&stderr))))
        }
        CredentialRetrievalError::HelperCommunicationError => {
            Err("its credential helper cannot be started, or ended too early: is `docker-credential-…` in PATH?".into())
        }
        other => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn find(content: &str, host: &str) -> Found {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, content).unwrap();
        Credentials::from_files(vec![folder.path().join("absent"), file]).find(host).await
    }

    fn password(user: &str, password: &str) -> Credential {
        Credential::Password { user: user.into(), password: Secret(password.into()) }
    }

    #[tokio::test]
    async fn files_of_every_tool_are_read() {
        // user:pass:word
        let auth = "dXNlcjpwYXNzOndvcmQ=";
        for (content, host, expected) in [
            (
                format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{auth}"}}}}}}"#),
                "ghcr.io",
                Some(password("user", "pass:word")),
            ),
            (
                format!(r#"{{"auths":{{"https://ghcr.io/v2/":{{"auth":"{auth}"}}}}}}"#),
                "ghcr.io",
                Some(password("user", "pass:word")),
            ),
            (format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{auth}"}}}}}}"#), "ghcr.io:443", None),
            (format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{auth}"}}}}}}"#), "evil.ghcr.io", None),
            (
                format!(r#"{{"auths":{{"localhost:5000":{{"auth":"{auth}"}}}}}}"#),
                "localhost:5000",
                Some(password("user", "pass:word")),
            ),
            (
                format!(r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{auth}"}}}}}}"#),
                "docker.io",
                Some(password("user", "pass:word")),
            ),
            (
                format!(r#"{{"auths":{{"docker.io":{{"auth":"{auth}"}}}}}}"#),
                "docker.io",
                Some(password("user", "pass:word")),
            ),
            (
                r#"{"auths":{"a.example":{"username":"u","password":"p"}}}"#.into(),
                "a.example",
                Some(password("u", "p")),
            ),
            (
                format!(r#"{{"auths":{{"a.example":{{"auth":"{auth}","identitytoken":"t"}}}}}}"#),
                "a.example",
                Some(Credential::Identity(Secret("t".into()))),
            ),
            (r#"{"auths":{"a.example":{}}}"#.into(), "a.example", None),
            ("{}".into(), "a.example", None),
        ] {
            let found = find(&content, host).await;
            assert_eq!((&found.credential, &found.problem), (&expected, &None), "{content} {host}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_told_without_secrets() {
        for (content, says) in [
            ("", "not JSON"),
            (r#"{"auths":[]}"#, "Unable to read"),
            (r#"{"auths":{"a.example":{"auth":"!!"}}}"#, "Unable to decode"),
            (r#"{"credsStore":"../../bin/sh"}"#, "`../../bin/sh` is not the name"),
            (r#"{"credHelpers":{"a.example":"x y"}}"#, "is not the name"),
            (r#"{"credsStore":"chartsync-has-no-such-helper"}"#, "cannot be started"),
        ] {
            let found = find(content, "a.example").await;
            let problem = found.problem.unwrap_or_default();
            assert!(found.credential.is_none() && problem.contains(says), "{content}: {problem}");
        }
        let shown = format!("{:?}", password("user", "canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
