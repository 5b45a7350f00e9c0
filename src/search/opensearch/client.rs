//! Requests to OpenSearch, each with a deadline, none while it does not answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::circuit::Circuit;
use super::config::OpenSearchConfig;
use super::document::{Operation, below, expired, index_body, later_fields, position_id};
use schema::{ConversationId, Sequence, metric};

const CONNECT_MAX: Duration = Duration::from_secs(3);
const SEARCH_MAX: Duration = Duration::from_secs(5);
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Documents that are removed by one request.
const REMOVED_MAX: usize = 1_000;
/// Of answers that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a request did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::search) enum Failure {
    /// No answer, or one that says "later".
    #[error("OpenSearch does not answer: {0}")]
    Unavailable(String),
    /// It was left alone, since it did not answer before.
    #[error("OpenSearch did not answer and is left alone for {} ms", .0.as_millis())]
    LeftAlone(Duration),
    /// The index was replaced or deleted meanwhile.
    #[error("the index was replaced")]
    Moved,
    /// It understood and will not.
    #[error("OpenSearch refuses: {0}")]
    Refused(String),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One OpenSearch and the names in it.
#[derive(Clone)]
pub(in crate::search) struct Client {
    http: reqwest::Client,
    config: Arc<OpenSearchConfig>,
    circuit: Arc<Mutex<Circuit>>,
    /// The index that is known to have all fields.
    whole: Arc<Mutex<Option<String>>>,
}

impl Client {
    /// # Errors
    /// A CA file that cannot be read.
    pub fn new(config: OpenSearchConfig) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &config.ca_file {
            let pem = std::fs::read(path)
                .map_err(|error| anyhow::anyhow!("search: {}: {error}", path.display()))?;
            builder = builder.add_root_certificate(reqwest::Certificate::from_pem(&pem)?);
        }
        let (config, circuit, whole) = (Arc::new(config), Arc::default(), Arc::default());
        Ok(Self { http: builder.build()?, config, circuit, whole })
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        lock(&self.circuit)
    }

    /// How long it is left alone; zero when it may be asked.
    pub fn pause(&self) -> Duration {
        self.circuit().pause(Instant::now())
    }

    /// The alias that searches ask.
    fn alias(&self) -> &str {
        &self.config.prefix
    }

    /// The index that is searched now; made when there is none.
    pub async fn current_index(&self) -> Result<String, Failure> {
        if let Some(index) = self.index_of_alias().await? {
            self.add_fields(&index).await?;
            return Ok(index);
        }
        let index = format!("{}-1", self.alias());
        let mut body = index_body(&self.config, &write_alias(&index));
        body["aliases"][self.alias()] = json!({});
        self.create(&index, &body).await?;
        self.index_of_alias().await?.ok_or_else(|| {
            Failure::Refused(format!("{index} is there, but {} is not its alias", self.alias()))
        })
    }

    /// An index of an earlier version gets the fields that it lacks; once for each index.
    async fn add_fields(&self, index: &str) -> Result<(), Failure> {
        if lock(&self.whole).as_deref() == Some(index) {
            return Ok(());
        }
        let (path, body) = (format!("{index}/_mapping"), json!({"properties": later_fields()}));
        let (status, answer) = self.send(Method::PUT, &path, Some(&body), WRITE_MAX).await?;
        if !status.is_success() {
            return Err(refused(status, &answer));
        }
        *lock(&self.whole) = Some(index.to_owned());
        Ok(())
    }

    async fn index_of_alias(&self) -> Result<Option<String>, Failure> {
        let path = format!("_alias/{}", self.alias());
        let (status, answer) = self.send(Method::GET, &path, None, SEARCH_MAX).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let indexes = answer.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
                match indexes.as_deref() {
                    Some([only]) => Ok(Some(only.clone())),
                    _ => Err(refused(status, &answer)),
                }
            }
            status => Err(refused(status, &answer)),
        }
    }

    async fn create(&self, index: &str, body: &Value) -> Result<(), Failure> {
        let (status, answer) = self.send(Method::PUT, index, Some(body), WRITE_MAX).await?;
        let is_there = answer["error"]["type"] == "resource_already_exists_exception";
        if status.is_success() || is_there { Ok(()) } else { Err(refused(status, &answer)) }
    }

    /// Makes a fresh index that nobody searches yet, and removes what earlier attempts left.
    pub async fn fresh_index(&self, name_ms: i64) -> Result<String, Failure> {
        let searched = self.current_index().await?;
        let path = format!("{}-*/_alias", self.alias());
        let (_, answer) = self.send(Method::GET, &path, None, SEARCH_MAX).await?;
        let ours = |name: &str| {
            let number = name.strip_prefix(self.alias()).and_then(|it| it.strip_prefix('-'));
            number.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
        };
        let found = answer.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        for left in found.filter(|name| ours(name) && *name != searched) {
            self.send(Method::DELETE, left, None, WRITE_MAX).await?;
        }
        let index = format!("{}-{name_ms}", self.alias());
        self.create(&index, &index_body(&self.config, &write_alias(&index))).await?;
        Ok(index)
    }

    /// From now on `index` is searched, and the one before is gone.
    pub async fn switch_to(&self, index: &str) -> Result<(), Failure> {
        let mut actions = vec![json!({"add": {"index": index, "alias": self.alias()}})];
        if let Some(before) = self.index_of_alias().await?.filter(|before| before != index) {
            actions.push(json!({"remove_index": {"index": before}}));
        }
        let body = json!({"actions": actions});
        let (status, answer) = self.send(Method::POST, "_aliases", Some(&body), WRITE_MAX).await?;
        if status.is_success() { Ok(()) } else { Err(refused(status, &answer)) }
    }

    /// Positions of these shards, of those that have one.
    pub async fn positions(
        &self,
        index: &str,
        shards: impl Iterator<Item = u32>,
    ) -> Result<BTreeMap<u32, u64>, Failure> {
        let shards: Vec<u32> = shards.collect();
        let ids: Vec<String> = shards.iter().copied().map(position_id).collect();
        let found = self.numbers(index, &ids).await?;
        Ok(shards.into_iter().zip(found).filter_map(|(shard, n)| Some((shard, n?))).collect())
    }

    /// The numbers in documents that hold nothing else, in the order of their ids.
    pub async fn numbers(&self, index: &str, ids: &[String]) -> Result<Vec<Option<u64>>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (path, body) = (format!("{index}/_mget"), json!({"ids": ids}));
        let (status, answer) = self.send(Method::POST, &path, Some(&body), SEARCH_MAX).await?;
        let documents = answer["docs"].as_array().filter(|it| it.len() == ids.len());
        let Some(documents) = documents.filter(|_| status.is_success()) else {
            return Err(refused(status, &answer));
        };
        if documents.iter().any(|document| document["error"].is_object()) {
            return Err(Failure::Moved);
        }
        Ok(documents.iter().map(|document| document["_source"]["n"].as_u64()).collect())
    }

    /// Removes what expired; returns how many.
    pub async fn remove_expired(&self, index: &str, now_ms: i64) -> Result<u64, Failure> {
        self.remove(index, &expired(now_ms)).await
    }

    /// Removes the messages of a conversation up to a number; returns how many.
    pub async fn remove_below(
        &self,
        index: &str,
        conversation: ConversationId,
        up_to: Sequence,
    ) -> Result<u64, Failure> {
        // What was written a moment ago is to be seen too.
        let path = format!("{index}/_refresh");
        let (status, answer) = self.send(Method::POST, &path, None, WRITE_MAX).await?;
        if !status.is_success() {
            return Err(refused(status, &answer));
        }
        self.remove(index, &below(conversation, up_to)).await
    }

    /// Removes documents as they are found: what changed meanwhile stays, and is found again.
    async fn remove(&self, index: &str, query: &Value) -> Result<u64, Failure> {
        let path = format!("{index}/_search?allow_partial_search_results=false");
        let body = json!({
            "size": REMOVED_MAX, "_source": false, "version": true, "track_total_hits": false,
            "sort": ["_doc"], "query": query,
        });
        let mut removed = 0;
        loop {
            let (status, answer) = self.send(Method::POST, &path, Some(&body), WRITE_MAX).await?;
            let hits = answer["hits"]["hits"].as_array().filter(|_| status.is_success());
            let Some(hits) = hits.filter(|_| answer["timed_out"] == false) else {
                return Err(refused(status, &answer));
            };
            let count = if hits.is_empty() { 0 } else { self.delete(index, hits).await? };
            removed += count;
            if hits.len() < REMOVED_MAX || count == 0 {
                return Ok(removed);
            }
        }
    }

    /// Deletes what a search found, in the versions that it found; returns how many.
    async fn delete(&self, index: &str, hits: &[Value]) -> Result<u64, Failure> {
        let alias = write_alias(index);
        let mut lines = String::new();
        for hit in hits {
            let (id, version) = (&hit["_id"], &hit["_version"]);
            let action = json!({"delete": {
                "_index": alias, "_id": id, "version": version, "version_type": "external_gte",
            }});
            lines.push_str(&format!("{action}\n"));
        }
        let items = self.bulk("_bulk?require_alias=true&refresh=true", lines, hits.len()).await?;
        let mut deleted = 0;
        for item in &items {
            let item = &item["delete"];
            // Somebody else may have removed it.
            if item["result"] != "not_found" {
                written(item)?;
                deleted += u64::from(item["result"] == "deleted");
            }
        }
        Ok(deleted)
    }

    /// Writes documents to an index that is in use. What is there in a later version stays.
    pub async fn write(&self, index: &str, operations: &[Operation]) -> Result<(), Failure> {
        if operations.is_empty() {
            return Ok(());
        }
        let alias = write_alias(index);
        let mut lines = String::new();
        for Operation { id, version, document } in operations {
            let action = json!({"index": {
                "_index": alias, "_id": id, "version": version, "version_type": "external_gte",
            }});
            lines.push_str(&format!("{action}\n{document}\n"));
        }
        // An index that was removed is not made again by a late write.
        let items = self.bulk("_bulk?require_alias=true", lines, operations.len()).await?;
        items.iter().try_for_each(|item| written(&item["index"]))
    }

    /// The answers to the lines of a bulk request.
    async fn bulk(&self, path: &str, lines: String, count: usize) -> Result<Vec<Value>, Failure> {
        let request = self.request(Method::POST, path, WRITE_MAX);
        let request = request.header("content-type", "application/x-ndjson").body(lines);
        let (status, mut answer) = self.answer(request).await?;
        if !status.is_success() {
            return Err(refused(status, &answer));
        }
        match answer["items"].take() {
            Value::Array(items) if items.len() == count => Ok(items),
            _ => Err(Failure::Refused("a bulk request was answered in part".to_owned())),
        }
    }

    /// Asks for candidates.
    pub async fn search(&self, reader: &str, body: &Value) -> Result<Value, Failure> {
        // The same copy answers all pages of one reader: it ranks them alike.
        let path = format!(
            "{}/_search?preference={reader}&allow_partial_search_results=false",
            self.alias()
        );
        let (status, answer) = self.send(Method::POST, &path, Some(body), SEARCH_MAX).await?;
        match status {
            // Nobody has made the index yet.
            StatusCode::NOT_FOUND => Ok(json!({"timed_out": false, "hits": {"hits": []}})),
            status if status.is_success() => Ok(answer),
            status => Err(refused(status, &answer)),
        }
    }

    fn request(&self, method: Method, path: &str, deadline: Duration) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.config.base));
        let request = request.timeout(deadline);
        match &self.config.credentials {
            Some((user, password)) => request.basic_auth(user, Some(password.expose())),
            None => request,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        deadline: Duration,
    ) -> Result<(StatusCode, Value), Failure> {
        let mut request = self.request(method, path, deadline);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(request).await
    }

    /// The answer to a request, unless it is left alone. "Later" counts as none.
    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Value), Failure> {
        let pause = self.pause();
        if pause > Duration::ZERO {
            return Err(Failure::LeftAlone(pause));
        }
        let answered = async {
            let mut response = request.send().await.map_err(|error| unavailable(&error))?;
            let status = response.status();
            let mut body = Vec::new();
            while let Some(part) = response.chunk().await.map_err(|error| unavailable(&error))? {
                if body.len() + part.len() > ANSWER_BYTES_MAX {
                    return Err(Failure::Refused("an answer is too large".to_owned()));
                }
                body.extend_from_slice(&part);
            }
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(Failure::Unavailable(reason(status, &answer)));
            }
            Ok((status, answer))
        };
        let answer = answered.await;
        match &answer {
            Err(Failure::Unavailable(_)) => {
                metrics::counter!(metric::SEARCH_UNANSWERED).increment(1);
                self.circuit().failed(Instant::now());
            }
            _ => self.circuit().succeeded(),
        }
        answer
    }
}

/// Writes go by an alias of the one index, so that they end with it.
fn write_alias(index: &str) -> String {
    format!("{index}-write")
}

/// One line of the answer to a bulk request.
fn written(item: &Value) -> Result<(), Failure> {
    let status = item["status"].as_u64().unwrap_or(500);
    match status {
        // 409: something later is there.
        200..=299 | 409 => Ok(()),
        404 => Err(Failure::Moved),
        429 | 500.. => Err(Failure::Unavailable(item["error"]["type"].to_string())),
        _ => {
            // Repeating it would hold up all others for ever.
            metrics::counter!(metric::SEARCH_REFUSED).increment(1);
            let kind = item["error"]["type"].as_str().unwrap_or_default();
            tracing::error!(status, kind, id = %item["_id"], "a message cannot be indexed; left out");
            Ok(())
        }
    }
}

/// Never with the URL, which is the operator's own business.
fn unavailable(error: &reqwest::Error) -> Failure {
    let why = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    Failure::Unavailable(why.to_owned())
}

fn refused(status: StatusCode, answer: &Value) -> Failure {
    if answer["error"]["type"] == "index_not_found_exception" {
        return Failure::Moved;
    }
    Failure::Refused(reason(status, answer))
}

fn reason(status: StatusCode, answer: &Value) -> String {
    let kind = answer["error"]["type"].as_str().unwrap_or_default();
    let why = answer["error"]["reason"].as_str().unwrap_or_default();
    format!("{} {kind} {why}", status.as_u16()).trim_end().to_owned()
}
