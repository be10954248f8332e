//! The misbehaving registry, left alone, beside distribution: the same requests have the same answers.

use axum::http::Method;
use serde_json::Value;

use crate::support::images::{IMAGE_MANIFEST, Image, digest};
use crate::support::registry::{Kind, Registry};
use crate::support::tools::Tool;
use crate::support::wild::Wild;

/// What of an answer chartsync may rest on.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    status: u16,
    media: Option<String>,
    digest: Option<String>,
    length: Option<String>,
    subject: Option<String>,
    place: bool,
    code: Option<String>,
    body: Option<Vec<u8>>,
}

struct Client {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    host: String,
}

impl Client {
    fn of(host: String) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { runtime, http, host }
    }

    fn ask(&self, method: &Method, path: &str, media: &str, body: Vec<u8>) -> (Said, Option<String>) {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", self.host) };
        let request = self.http.request(method.clone(), url).header("content-type", media).body(body);
        let request = request.header("accept", IMAGE_MANIFEST);
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let (media, digest, subject) =
                (header("content-type"), header("docker-content-digest"), header("oci-subject"));
            let (location, status) = (header("location"), answer.status().as_u16());
            let reads = status == 200 && path != "/v2/" && *method != Method::PUT;
            let length = header("content-length").filter(|_| reads && !path.ends_with("/tags/list"));
            let bytes = answer.bytes().await.unwrap().to_vec();
            let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let said = Said {
                status,
                media: media.filter(|_| reads && !path.ends_with("/tags/list")),
                digest,
                length,
                subject,
                place: location.is_some(),
                code: json["errors"][0]["code"].as_str().map(str::to_owned),
                body: reads.then(|| if path.ends_with("/tags/list") { json["tags"].to_string().into() } else { bytes }),
            };
            (said, location)
        })
    }

    /// Begins an upload and ends it with this digest.
    fn upload(&self, query: &str, bytes: &[u8], digest: &str) -> Vec<Said> {
        let (begun, place) = self.ask(&Method::POST, &format!("/v2/charts/web/blobs/uploads/{query}"), "", Vec::new());
        let mut said = vec![begun];
        if said[0].status == 202 {
            let place = place.unwrap();
            let place = if place.contains('?') { place + "&" } else { place + "?" };
            let put = format!("{place}digest={digest}");
            said.push(self.ask(&Method::PUT, &put, "application/octet-stream", bytes.to_vec()).0);
        }
        said
    }

    fn everything(&self, image: &Image) -> Vec<(String, Vec<Said>)> {
        let mut all = Vec::new();
        let mut say = |what: String, said: Vec<Said>| all.push((what, said));
        let (right, other) = (image.digest(), digest(b"other"));
        let blobs: Vec<String> = image.blobs.iter().map(|blob| digest(blob)).collect();
        let manifest = |method: &Method, target: &str, body: &[u8]| {
            let path = format!("/v2/charts/web/manifests/{target}");
            vec![self.ask(method, &path, IMAGE_MANIFEST, body.to_vec()).0]
        };
        say("base".into(), vec![self.ask(&Method::GET, "/v2/", "", Vec::new()).0]);
        for round in ["empty", "full"] {
            for target in ["1.0.0", &right, &other] {
                say(format!("{round}: HEAD {target}"), manifest(&Method::HEAD, target, b""));
                say(format!("{round}: GET {target}"), manifest(&Method::GET, target, b""));
            }
            for blob in blobs.iter().chain([&other]) {
                for method in [Method::HEAD, Method::GET] {
                    let path = format!("/v2/charts/web/blobs/{blob}");
                    say(format!("{round}: {method} {blob}"), vec![self.ask(&method, &path, "", Vec::new()).0]);
                }
            }
            let tags = self.ask(&Method::GET, "/v2/charts/web/tags/list", "", Vec::new()).0;
            say(format!("{round}: tags"), vec![tags]);
            let referrers = self.ask(&Method::GET, &format!("/v2/charts/web/referrers/{right}"), "", Vec::new()).0;
            say(format!("{round}: referrers"), vec![Said { code: None, ..referrers }]);
            if round == "full" {
                break;
            }
            say("PUT without blobs".into(), manifest(&Method::PUT, "1.0.0", &image.manifest));
            say("PUT of a wrong blob".into(), self.upload("", b"wrong", &blobs[0]));
            for (blob, bytes) in blobs.iter().zip(&image.blobs) {
                say(format!("PUT {blob}"), self.upload("", bytes, blob));
            }
            let mount = format!("?mount={}&from=charts/web", blobs[0]);
            say("mount".into(), self.upload(&mount, &image.blobs[0], &blobs[0]));
            let mount = format!("?mount={other}&from=charts/web");
            say("mount of nothing".into(), self.upload(&mount, b"other", &other));
            say("PUT under a wrong digest".into(), manifest(&Method::PUT, &other, &image.manifest));
            say("PUT of nonsense".into(), manifest(&Method::PUT, "1.0.0", b"{"));
            say("PUT by digest".into(), manifest(&Method::PUT, &right, &image.manifest));
            say("PUT by tag".into(), manifest(&Method::PUT, "1.0.0", &image.manifest));
            say("PUT again".into(), manifest(&Method::PUT, "1.0.0", &image.manifest));
            let subject = format!(r#""subject":{{"mediaType":"{IMAGE_MANIFEST}","digest":"{right}","size":1}},"#);
            let attached = String::from_utf8(image.manifest.clone()).unwrap().replacen('{', &format!("{{{subject}"), 1);
            say("PUT with a subject".into(), manifest(&Method::PUT, "attached", attached.as_bytes()));
        }
        all
    }
}

#[test]
fn left_alone_it_answers_as_distribution_does() {
    needs!(Tool::Distribution);
    let image = Image::chart("web", "1.0.0", "", None);
    let (wild, registry) = (Wild::start(), Registry::start(Kind::Distribution));
    let ours = Client::of(wild.host()).everything(&image);
    let theirs = Client::of(registry.host()).everything(&image);
    assert!(ours.len() > 40, "{}", ours.len());
    let other: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(other.is_empty(), "{other:?}");
}
