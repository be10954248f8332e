//! A network that takes time, as a TCP proxy before each registry and before a token server of its own.
//!
//! Every chunk of bytes arrives half a round trip after it was sent, in order and without a limit of bandwidth; what a client
//! sends first waits a whole round trip more, as long as a connection takes to stand. Slow start and loss are not modelled.
//!
//! It is told what to do line by line on stdin and answers each line with one on stdout.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Failed;
use token::Tokens;

mod registry {
    //! The one account.
    pub(super) const USER: &str = "publisher";
    pub(super) const PASSWORD: &str = "throw-away";
}
#[path = "../../tests/it/support/token.rs"]
#[expect(clippy::unwrap_used, reason = "made for tests, which may fail this way")]
mod token;

/// One way into the network.
#[derive(Debug)]
struct Front {
    upstream: Mutex<SocketAddr>,
    connections: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What all ways have in common.
#[derive(Debug, Default)]
struct Bed {
    round_trip_us: AtomicU64,
    /// How many were asked for.
    tokens: AtomicU64,
}

/// Serves until stdin ends. Says first where: source, destination, token server; then by which keys tokens are signed.
pub(super) async fn serve(source: SocketAddr, destination: SocketAddr) -> Result<(), Failed> {
    let bed = Arc::new(Bed::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let tokens = listener.local_addr()?;
    let (state, signer) = (Arc::clone(&bed), Arc::new(Tokens::new()));
    let keys = signer.jwks();
    let router = Router::new().fallback(async move |RawQuery(query), headers: HeaderMap| {
        state.tokens.fetch_add(1, Relaxed);
        token(&signer, &query.unwrap_or_default(), &headers)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut fronts = Vec::new();
    let mut addresses = Vec::new();
    for upstream in [source, destination, tokens] {
        let (front, address) = front(upstream, &bed).await?;
        fronts.push(front);
        addresses.push(address.to_string());
    }
    println!("{}\n{keys}", addresses.join(" "));
    let orders = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines() {
            match obey(&line?, &fronts, &bed) {
                Some(answer) => println!("{answer}"),
                None => println!("?"),
            }
        }
        Ok(())
    });
    orders.await?
}

/// `rtt MS`, `upstream 0|1 ADDRESS`, `take`.
fn obey(line: &str, fronts: &[Arc<Front>], bed: &Bed) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["rtt", ms] => bed.round_trip_us.store(ms.parse::<u64>().ok()? * 1000, Relaxed),
        ["upstream", which, address] => {
            let front = fronts.get(which.parse::<usize>().ok()?)?;
            *front.upstream.lock().unwrap_or_else(PoisonError::into_inner) = address.parse().ok()?;
        }
        ["take"] => {
            let take =
                |count: fn(&Front) -> &AtomicU64| fronts.iter().map(|front| count(front).swap(0, Relaxed)).sum::<u64>();
            let (connections, sent, received) = (take(|f| &f.connections), take(|f| &f.sent), take(|f| &f.received));
            let tokens = bed.tokens.swap(0, Relaxed);
            return Some(format!("{connections} {sent} {received} {tokens}"));
        }
        _ => return None,
    }
    Some("ok".to_owned())
}

/// One that is signed for what it was asked for, as far as whoever asks may do that.
fn token(signer: &Tokens, query: &str, headers: &HeaderMap) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match signer.answer(query, authorization) {
        Some(token) => ([(header::CONTENT_TYPE, "application/json")], token.to_string()).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn front(upstream: SocketAddr, bed: &Arc<Bed>) -> Result<(Arc<Front>, SocketAddr), Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let front = Arc::new(Front {
        upstream: Mutex::new(upstream),
        connections: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
    });
    let (serving, bed) = (Arc::clone(&front), Arc::clone(bed));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (front, bed) = (Arc::clone(&serving), Arc::clone(&bed));
            // A connection that breaks breaks for both sides, which is all that there is to do about it.
            tokio::spawn(async move { drop(carry(client, &front, &bed).await) });
        }
    });
    Ok((front, address))
}

async fn carry(client: TcpStream, front: &Front, bed: &Bed) -> std::io::Result<()> {
    let begun = Instant::now();
    front.connections.fetch_add(1, Relaxed);
    let round_trip = Duration::from_micros(bed.round_trip_us.load(Relaxed));
    let upstream = *front.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let half = round_trip / 2;
    tokio::try_join!(
        late(from_client, to_server, half, begun + round_trip, &front.sent),
        late(from_server, to_client, half, begun, &front.received),
    )?;
    Ok(())
}

/// Hands on what comes, so much later, as if nothing had come before `open`.
async fn late(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
    open: Instant,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let (send, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            count.fetch_add(length as u64, Relaxed);
            if send.send((Instant::now().max(open) + delay, chunk[..length].to_vec())).is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = due.recv().await {
            if !delay.is_zero() {
                tokio::time::sleep_until(at).await;
            }
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}
