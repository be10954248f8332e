//! `WWW-Authenticate`: how a server wants to be asked. Hostile input, read within bounds and never half.
//!
//! Owns its grammar. Decides nothing about credentials.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

/// The most bytes of one header, schemes in it, and parameters of one scheme.
const HEADER_LIMIT: usize = 8 << 10;
const SCHEMES: usize = 8;
const PARAMETERS: usize = 16;

/// How a server wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A user name and a password with each request.
    Basic,
    /// A token from a token server.
    Bearer {
        /// Where tokens come from.
        realm: Url,
        /// What the token server knows the registry by.
        service: Option<String>,
    },
}

/// The best challenge of an answer that we can meet: a token before a password.
pub(crate) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE).iter().take(SCHEMES) {
        let Ok(text) = value.to_str() else { continue };
        for (scheme, parameters) in schemes(text) {
            if scheme.eq_ignore_ascii_case("bearer") {
                let find = |name: &str| {
                    parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
                };
                if let Some(realm) = find("realm").and_then(|realm| Url::parse(realm).ok()) {
                    return Some(Challenge::Bearer { realm, service: find("service").map(str::to_owned) });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

type Scheme = (String, Vec<(String, String)>);

/// `Bearer realm="…",service="…", Basic realm="…"`: schemes with their parameters. Stops at what it does not understand.
fn schemes(text: &str) -> Vec<Scheme> {
    let mut found: Vec<Scheme> = Vec::new();
    let mut rest = &text[..text.len().min(HEADER_LIMIT)];
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return found;
        }
        let Some(after) = after.trim_start().strip_prefix('=') else {
            if found.len() == SCHEMES {
                return found;
            }
            found.push((word.to_owned(), Vec::new()));
            rest = after;
            continue;
        };
        let Some((value, after)) = value(after.trim_start()) else { return found };
        let Some((_, parameters)) = found.last_mut() else { return found };
        if parameters.len() < PARAMETERS {
            parameters.push((word.to_owned(), value));
        }
        rest = after;
    }
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A token or a quoted string; nothing if the quotes never close.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return Some((word.to_owned(), rest.trim_start_matches('=')));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn read(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        challenge(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.parse().unwrap(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_are_read() {
        let full = r#"Bearer realm="https://auth.example/token",service="registry, the \"real\" one",scope="repository:a:pull""#;
        assert_eq!(read(&[full]), Some(bearer("https://auth.example/token", Some(r#"registry, the "real" one"#))));
        assert_eq!(read(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(read(&["BASIC"]), Some(Challenge::Basic));
        let both = "Basic realm=x, Bearer realm=\"https://a.example\"";
        assert_eq!(read(&[both]), Some(bearer("https://a.example", None)));
        assert_eq!(
            read(&["Basic realm=x", "bearer Realm = \"https://a.example\""]),
            Some(bearer("https://a.example", None))
        );
        assert_eq!(read(&["Negotiate YIIabc==, Basic realm=x"]), Some(Challenge::Basic));
    }

    #[test]
    fn nonsense_is_no_challenge() {
        for text in [
            "",
            ",,,",
            "Bearer",
            "Bearer realm",
            "Bearer realm=",
            "Bearer realm=\"https://a.example",
            "Bearer realm=\"https://a.example\\",
            "Bearer realm=\"not a url\"",
            "realm=\"https://a.example\"",
            "=",
            "Digest realm=x",
            &format!("{}Bearer realm=\"https://a.example\"", "x ".repeat(5000)),
            &format!("Bearer {}realm=\"https://a.example\"", "a=b,".repeat(100)),
        ] {
            assert_eq!(read(&[text]), None, "{text:.60}");
        }
        assert_eq!(read(&["Bearer \u{fc}"]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_panic(text in "\\PC{0,200}", junk in "[Ba-c=\", \\\\]{0,60}") {
            schemes(&text);
            schemes(&junk);
        }
    }
}
