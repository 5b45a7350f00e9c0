//! Search in a cluster: two servers, Cassandra, Redis and OpenSearch, all real.

use std::process::Stdio;
use std::time::Duration;

use loadtest::client::{RestClient, provision};
use loadtest::cluster::{Cluster, ClusterSpec};
use loadtest::services::{OpenSearch, cassandra_for_tests, redis_for_tests};
use reqwest::Method;
use schema::ConversationId;
use schema::record::ConversationKind;
use serde_json::json;

use crate::caller::{Caller, numbers};
use crate::support::binary;

async fn metric(cluster: &Cluster, name: &str) -> f64 {
    let mut sum = 0.0;
    for target in cluster.targets() {
        let url = format!("http://{}/metrics", target.internal.unwrap());
        let Ok(answer) = reqwest::get(url).await else { continue };
        let text = answer.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        sum += value.map_or(0.0, |it| it.parse::<f64>().unwrap());
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_finds_what_one_may_see_through_outages_and_deaths() {
    let (cassandra, redis, opensearch) =
        tokio::try_join!(cassandra_for_tests(), redis_for_tests(), OpenSearch::start()).unwrap();
    let store_url = format!("{}&shards=8", cassandra.url("search_cluster"));
    let search_url = opensearch.url("chat");
    let mut spec = ClusterSpec::new(binary(), store_url.clone(), redis.url());
    (spec.nodes, spec.proxied) = (2, false);
    spec.environment.push(("SWITCHBOARD_SEARCH".to_owned(), search_url.clone()));
    let cluster = Cluster::start(spec).await.unwrap();
    let rest = RestClient::new(cluster.node(0).target()).unwrap();
    let people = provision(&rest, "search", 4).await.unwrap();
    let at = |node: usize, who: usize| Caller {
        address: cluster.node(node).target().public,
        who: &people[who],
    };
    let (alice, bob) = (at(0, 0), at(1, 1));
    let group = ConversationKind::Group;
    let members = vec![people[1].user_id];
    let chat = rest.create_conversation(&people[0].access_token, group, members, None);
    let chat = chat.await.unwrap();

    // Bob goes at 3, Carol comes at 4, Dave never.
    alice.send(chat, "the kernel does not boot").await;
    bob.send(chat, "🦀 which kernel is it? Grüße").await;
    let path = format!("/v1/conversations/{chat}/members");
    let body = json!({"members": [people[1].user_id]});
    assert_eq!(alice.call(Method::DELETE, &path, body).await.0, 200);
    let body = json!({"members": [{"user_id": people[2].user_id, "role": "member"}]});
    assert_eq!(alice.call(Method::POST, &path, body).await.0, 200);
    alice.send(chat, "a new kernel came out").await;
    alice.until_found("q=kernel", &[1, 2, 5]).await;
    bob.until_found("q=kernel", &[1, 2]).await;
    at(1, 2).until_found("q=kernel", &[5]).await;
    at(1, 3).until_found("q=kernel", &[]).await;

    // As beside the embedded store: words, filters, pages, highlights.
    assert_eq!(numbers(&alice.search("q=boot+kernel").await.1), [1]);
    assert_eq!(numbers(&alice.search("q=ker").await.1), [1, 2, 5]);
    assert_eq!(numbers(&alice.search("q=ker%20").await.1), Vec::<u64>::new());
    let from = format!("q=kernel&from={}", people[1].user_id);
    assert_eq!(numbers(&alice.search(&from).await.1), [2]);
    assert_eq!(numbers(&alice.search("q=kernel&until=1000").await.1), Vec::<u64>::new());
    assert_eq!(numbers(&alice.search("q=kernel&since=1000").await.1), [1, 2, 5]);
    let here = format!("q=kernel&conversation_id={chat}");
    assert_eq!(numbers(&alice.search(&here).await.1), [1, 2, 5]);
    let elsewhere = format!("q=kernel&conversation_id={}", ConversationId::generate());
    assert_eq!(numbers(&alice.search(&elsewhere).await.1), Vec::<u64>::new());
    let (_, first) = alice.search("q=kernel&limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, rest_of) = alice.search(&format!("q=kernel&limit=2&cursor={cursor}")).await;
    assert_eq!([first["hits"].as_array().unwrap().len(), numbers(&rest_of).len()], [2, 1]);
    assert!(rest_of["next_cursor"].is_null());
    let (_, marked) = alice.search("q=grusse").await;
    assert_eq!(marked["hits"][0]["highlights"], json!([[23, 28]]));

    // Edited and deleted.
    let message = |seq: u64| format!("/v1/conversations/{chat}/messages/{seq}");
    let edit = json!({"content": {"text": {"text": "anchovy salad"}}});
    assert_eq!(alice.call(Method::PATCH, &message(1), edit).await.0, 200);
    alice.until_found("q=salad", &[1]).await;
    assert_eq!(alice.call(Method::DELETE, &message(5), json!({})).await.0, 200);
    alice.until_found("q=kernel", &[2]).await;

    // What disappears leaves the index too, not only what is shown of it.
    let words = async || {
        let path = "chat/_count?q=text:fleeting";
        let (_, answer) = opensearch.ask(Method::GET, path, None).await.unwrap();
        answer["count"].as_u64().unwrap()
    };
    let body = json!({"conversation_id": chat, "content": {"text": {"text": "a fleeting word"}},
                      "expires_after_ms": 4_000});
    assert_eq!(alice.call(Method::POST, "/v1/messages", body).await.0, 201);
    for expected in [1, 0] {
        let mut left = 9;
        for _ in 0..300 {
            left = words().await;
            if left == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(left, expected, "documents with the word");
    }

    // OpenSearch is away: messages flow, search says so, the lag is metered.
    opensearch.process().kill_9();
    let missed = alice.send(chat, "written while nobody could index").await;
    let mut answer = alice.search("q=nobody").await;
    for _ in 0..100 {
        if answer.0 == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = alice.search("q=nobody").await;
    }
    assert_eq!((answer.0, &answer.1["code"]), (503, &json!("retry_later")), "{}", answer.1);
    assert_eq!(answer.1["temporary"], true);
    for _ in 0..100 {
        if metric(&cluster, "switchboard_search_lag_commits").await > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(metric(&cluster, "switchboard_search_lag_commits").await > 0.0);
    opensearch.restart().await.unwrap();
    alice.until_found("q=nobody", &[missed]).await;

    // One command makes a fresh index, while the servers run.
    let mut command = tokio::process::Command::new(binary());
    command.args(["search", "reindex", "--json"]).stdin(Stdio::null());
    command.env("SWITCHBOARD_STORE", &store_url).env("SWITCHBOARD_SEARCH", &search_url);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, indexes) = opensearch.ask(Method::GET, "_alias/chat", None).await.unwrap();
    assert!(indexes.as_object().unwrap().keys().all(|it| it != "chat-1"), "{indexes}");
    alice.until_found("q=salad", &[1]).await;

    // A node dies; the other goes on where it was, also with what was not indexed yet.
    let carol = at(1, 2);
    let last = at(0, 0).send(chat, "the last words of a node").await;
    cluster.node(0).process().kill_9();
    carol.until_found("q=last+words", &[last]).await;
    let next = carol.send(chat, "words after the last").await;
    carol.until_found("q=words", &[last, next]).await;
}
