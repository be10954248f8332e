//! Lies of one upstream among twenty, one after the other, to the real program.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::hostile::{Fate, HARMLESS, HOSTILE, REFUSED, Twenty, UPSTREAMS, VERSION, chart, clean};
use crate::support::images::{CHART, CONFIG, IMAGE_MANIFEST, Image, chart_archive, chart_yaml, config, digest};
use crate::support::wild::{Asked, How, IMAGE_INDEX, Reply, Store};

/// The answer of a registry that is well, changed if it is one to this request.
fn but(
    when: fn(&Asked) -> bool,
    change: impl Fn(&Asked, Reply) -> Reply + Clone + Send + Sync + 'static,
) -> impl Fn(&Asked, &mut Store) -> Reply + Clone + Send + Sync + 'static {
    move |asked, store| {
        let reply = store.serve(asked);
        if when(asked) { change(asked, reply) } else { reply }
    }
}

fn manifests(asked: &Asked) -> bool {
    asked.path.contains("/manifests/")
}

fn manifest_bodies(asked: &Asked) -> bool {
    asked.is("GET manifest") || asked.is("GET tag")
}

fn blobs(asked: &Asked) -> bool {
    asked.is("GET blob")
}

/// A hostile image instead of the good one: the same answers to everything else.
fn instead(image: Image) -> impl Fn(&Asked, &mut Store) -> Reply + Clone + Send + Sync + 'static {
    let (manifest, blobs) = (image.manifest, image.blobs);
    move |asked, store| {
        let image = Image { manifest: manifest.clone(), blobs: blobs.clone() };
        store.put(asked.repository(), VERSION, &image);
        store.serve(asked)
    }
}

/// The image manifest of a good chart with other text.
fn respelled(change: impl Fn(String) -> String) -> Image {
    let good = crate::hostile::image(HOSTILE);
    Image { manifest: change(String::from_utf8(good.manifest).unwrap()).into_bytes(), blobs: good.blobs }
}

fn around(archive: Vec<u8>) -> Image {
    Image::of(config(&chart(HOSTILE), VERSION), archive, None)
}

/// So many zeros, packed.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..mebibytes).for_each(|_| packed.write_all(&zeros).unwrap());
    packed.finish().unwrap()
}

#[test]
fn other_digests_bodies_and_lengths_than_were_asked_for() {
    let twenty = Twenty::new();
    let other = digest(b"other");
    let header = move |_: &Asked, reply: Reply| reply.with("docker-content-digest", &other);
    // `lock` hashes what the name gives; `apply` takes the header for what it says: the name has moved.
    let fates = [Fate::Harmless, Fate::Refused];
    twenty.check("another digest in the header", fates, but(manifests, header));
    let longer = |_: &Asked, mut reply: Reply| {
        reply.body.push(b' ');
        reply
    };
    // `lock` reads it by its name.
    let by_digest = |asked: &Asked| asked.is("GET manifest");
    twenty.check("another image manifest", fates, but(by_digest, longer));
    twenty.check("a byte more", REFUSED, but(blobs, longer));
    let changed = |_: &Asked, mut reply: Reply| {
        *reply.body.last_mut().unwrap() ^= 1;
        reply
    };
    twenty.check("another byte", REFUSED, but(blobs, changed));
    // As good a chart as the other, and as long.
    let repacked = |_: &Asked, mut reply: Reply| {
        if reply.body.starts_with(&[0x1f, 0x8b]) {
            reply.body[4] ^= 1;
        }
        reply
    };
    twenty.check("the same chart packed at another time", REFUSED, but(blobs, repacked));
    let shorter = |_: &Asked, mut reply: Reply| {
        reply.body.pop();
        reply
    };
    twenty.check("a byte less", REFUSED, but(blobs, shorter));
    twenty.check("nothing", REFUSED, but(blobs, |_, reply| reply.body("")));
    // The rest of the body would be taken for the beginning of the next answer.
    let understated = |_: &Asked, reply: Reply| {
        let length = reply.body.len() - 1;
        reply.with("content-length", length.to_string())
    };
    twenty.check("a length that is too short", REFUSED, but(blobs, understated));
    twenty.check(
        "no digest anywhere",
        HARMLESS,
        but(manifests, |_, mut reply| {
            reply.headers.retain(|(name, _)| name != "docker-content-digest");
            reply
        }),
    );
}

#[test]
fn other_media_types_than_there_are() {
    let twenty = Twenty::new();
    for media in [IMAGE_INDEX, "text/html", "application/vnd.docker.distribution.manifest.list.v2+json", ""] {
        // The bytes are what they are; what a header calls them is not what they are.
        let rule = but(manifests, move |_, reply| reply.with("content-type", media));
        twenty.check(&format!("the media type {media:?}"), HARMLESS, rule);
    }
    // In the manifest it counts.
    for (what, from, to) in [
        ("the config's media type", CONFIG, "application/vnd.oci.image.config.v1+json"),
        ("the chart's media type", CHART, "application/vnd.oci.image.layer.v1.tar+gzip"),
    ] {
        twenty.check(what, REFUSED, instead(respelled(|text| text.replace(from, to))));
    }
}

#[test]
fn endless_bodies_and_bombs() {
    let twenty = Twenty::new();
    let endless = |_: &Asked, reply: Reply| reply.body(vec![b' '; 1 << 14]).how(How::Endless);
    twenty.check("an endless image manifest", REFUSED, but(manifest_bodies, endless));
    twenty.check("an endless blob", REFUSED, but(blobs, endless));
    let failing = |_: &Asked, _| Reply::new(403).body(vec![b'x'; 1 << 14]).how(How::Endless);
    twenty.check("an endless word of refusal", REFUSED, but(manifest_bodies, failing));
    twenty.check("an archive that is a bomb", REFUSED, instead(around(bomb(101))));
    let packed = |_: &Asked, reply: Reply| reply.with("content-encoding", "gzip").body(bomb(64));
    twenty.check("a bomb in the encoding of the answer", REFUSED, but(blobs, packed));
    // Bytes that are what they should be are not unpacked because a header says so.
    let named = |_: &Asked, reply: Reply| reply.with("content-encoding", "gzip");
    twenty.check("an encoding that is none", HARMLESS, but(blobs, named));
}

#[test]
fn documents_that_two_readers_understand_differently_and_deep_ones() {
    let twenty = Twenty::new();
    let layers = |text: &str| text[text.find("\"layers\"").unwrap()..].trim_end_matches('}').to_owned();
    let twice = |text: String, key: &str| {
        let again = layers(&text).replacen("layers", key, 1);
        format!("{{{again},{}", &text[1..])
    };
    for key in ["layers", "Layers", "LAYERS", "layer\\u0073"] {
        let image = respelled(|text| twice(text, key));
        twenty.check(&format!("`layers` and `{key}`"), REFUSED, instead(image));
    }
    let deep = "[".repeat(100_000);
    for (what, manifest) in [
        ("nothing but brackets", deep.clone()),
        ("brackets where annotations should be", format!("{{\"schemaVersion\":2,\"annotations\":{deep}")),
    ] {
        twenty.check(what, REFUSED, instead(Image { manifest: manifest.into_bytes(), blobs: Vec::new() }));
    }
    let nested = |brackets: usize| {
        format!("{}x: {}{}\n", chart_yaml(&chart(HOSTILE), VERSION), "[".repeat(brackets), "]".repeat(brackets))
    };
    twenty.check("a deep Chart.yaml", REFUSED, instead(around(chart_archive(&chart(HOSTILE), &nested(50_000)))));
    let image =
        Image::of(deep.into_bytes(), chart_archive(&chart(HOSTILE), &chart_yaml(&chart(HOSTILE), VERSION)), None);
    twenty.check("a deep config", REFUSED, instead(image));
}

/// An index that is the answer to every question, also to that for what it names.
fn index_of_itself(asked: &Asked, store: &mut Store) -> Reply {
    if !manifests(asked) {
        return store.serve(asked);
    }
    let called = asked.path.rsplit('/').next().unwrap().to_owned();
    let own = if called.starts_with("sha256:") { called } else { digest(b"itself") };
    let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [
        {"mediaType": IMAGE_INDEX, "digest": own, "size": 300},
        {"mediaType": IMAGE_MANIFEST, "digest": own, "size": 300},
    ]});
    Reply::new(200).with("content-type", IMAGE_INDEX).with("docker-content-digest", &own).body(index.to_string())
}

#[test]
fn indexes_and_digests_that_lead_elsewhere() {
    let twenty = Twenty::new();
    twenty.check("an index that contains itself", REFUSED, index_of_itself);
    let index = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [
        {"mediaType": IMAGE_MANIFEST, "digest": crate::hostile::image(HOSTILE).digest(), "size": 500},
    ]});
    let index = Image { manifest: index.to_string().into_bytes(), blobs: Vec::new() };
    twenty.check("an index around the chart", REFUSED, instead(index));
    for nasty in
        ["sha256:../../../../etc/passwd", "../../etc/passwd", "sha256:\u{1b}[31mred", "sha256:a\u{7}b", "sha512:00"]
    {
        // A header that is no digest says nothing: the bytes do. One that is no header is no answer.
        let fates = if nasty.contains(char::is_control) { REFUSED } else { HARMLESS };
        let rule = but(manifests, move |_, reply| reply.with("docker-content-digest", nasty));
        twenty.check(&format!("the header {nasty:?}"), fates, rule);
        let escaped = serde_json::to_string(nasty).unwrap();
        let own = digest(&crate::hostile::image(HOSTILE).blobs[1]);
        let image = respelled(|text| text.replace(&format!("\"{own}\""), &escaped));
        twenty.check(&format!("a layer called {nasty:?}"), REFUSED, instead(image));
    }
}

/// `outdated` over all twenty, one of which has such tags: what is newer elsewhere is told.
#[track_caller]
fn outdated(twenty: &Twenty, what: &str, rule: impl Fn(&Asked, &mut Store) -> Reply + Send + Sync + 'static) -> String {
    twenty.hostile().answer(rule);
    let ran = twenty.workspace.run("outdated");
    clean(what, &ran);
    for at in (0..UPSTREAMS).filter(|at| *at != HOSTILE) {
        assert!(ran.said().contains(&format!("add {}@1.1.0", chart(at))), "{what}: {}: {ran}", chart(at));
    }
    ran.said()
}

#[test]
fn tags_that_page_for_ever_or_are_none() {
    let twenty = Twenty::new();
    for (at, upstream) in twenty.upstreams.iter().enumerate() {
        upstream.store().put(&format!("charts/{}", chart(at)), "1.1.0", &Image::chart(&chart(at), "1.1.0", "", None));
    }
    let own = format!("add {}@1.1.0", chart(HOSTILE));
    let said = outdated(&twenty, "a list of tags that is well", |asked, store| store.serve(asked));
    assert!(said.contains(&own), "{said}");
    let said = outdated(&twenty, "pages for ever", |asked, store| {
        if !asked.is("GET tags") {
            return store.serve(asked);
        }
        let page: u32 = asked.query.rsplit("last=v").next().and_then(|page| page.parse().ok()).unwrap_or_default();
        let link = format!("</v2/{}/tags/list?last=v{}>; rel=\"next\"", asked.repository(), page + 1);
        Reply::new(200).with("link", link).body(json!({"tags": [format!("v{page}.0.0")]}).to_string())
    });
    assert!(said.contains("more than 1000 pages") && !said.contains(&own), "{said}");
    let said = outdated(&twenty, "the same page for ever", |asked, store| {
        let link = format!("</v2/{}/tags/list>; rel=\"next\"", asked.repository());
        store.serve(asked).with("link", link)
    });
    assert!(said.contains(&own), "{said}");
    assert!(twenty.hostile().take().len() < 1100, "it ends where a page adds nothing");
    let said = outdated(&twenty, "nasty tags", |asked, store| {
        let tags = json!({"tags": ["../../etc", "1.2.0/../x", "\u{1b}[31m9.9.9", "9.9.9\n::error::x", "1.1.0", "9.9.9\u{202e}"]});
        if asked.is("GET tags") { Reply::new(200).body(tags.to_string()) } else { store.serve(asked) }
    });
    assert!(said.contains(&own) && !said.contains("9.9.9") && !said.contains("1.2.0"), "{said}");
    for (what, body) in [
        ("a deep list", "[".repeat(100_000)),
        ("tags twice", r#"{"tags":["1.1.0"],"tags":["9.0.0"]}"#.to_owned()),
        ("no list", r#"{"tags":{"9.0.0":1}}"#.to_owned()),
    ] {
        let said = outdated(&twenty, what, move |asked, store| {
            if asked.is("GET tags") { Reply::new(200).body(body.clone()) } else { store.serve(asked) }
        });
        assert!(said.contains("not a list of tags") && !said.contains("9.0.0"), "{what}: {said}");
    }
    let said = outdated(&twenty, "an endless list", |asked, store| {
        let reply = store.serve(asked);
        if asked.is("GET tags") { reply.body(vec![b' '; 1 << 14]).how(How::Endless) } else { reply }
    });
    assert!(said.contains("over the limit"), "{said}");
}

/// Of a name only its answer is known: `lock` pins the digest of what it got, whatever a header calls it, and nothing else is
/// ever published under that pin.
#[test]
fn a_name_with_another_body_than_it_is_called_is_pinned_as_what_it_is() {
    let twenty = Twenty::new();
    let spaced = |_: &Asked, mut reply: Reply| {
        reply.body.push(b' ');
        reply
    };
    twenty.reset();
    twenty.hostile().answer(but(|asked| asked.is("GET tag"), spaced));
    twenty.workspace.run("lock").ok();
    let mut body = crate::hostile::image(HOSTILE).manifest;
    body.push(b' ');
    assert!(twenty.workspace.read("mirrors.lock").contains(&digest(&body)));
    let ran = twenty.workspace.run("apply").exits(4).says("! moved").says(&chart(HOSTILE));
    twenty.published(&ran, |at| at != HOSTILE);
}
