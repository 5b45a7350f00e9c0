//! `kill -9` under load, again and again: nothing acknowledged is lost, nothing doubled.

use loadtest::scenario::{ServerChoice, kill9};

use crate::support::spec;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_a_hundred_senders_lose_nothing() {
    let seed = loadtest::scenario::fresh_seed();
    let options = kill9::Options::new(ServerChoice::Own(spec()), seed);
    assert_eq!((options.rounds, options.senders), (20, 100));
    let outcome = kill9::run(options).await.unwrap();
    println!("{outcome}");
    assert!(outcome.passed, "{outcome}");
}
