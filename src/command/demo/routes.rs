//! Which path of the demo site is answered by what.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::answer::{self, Answer};
use super::assets::{self, Asset};
use super::chat::{self, Session};
use super::room::Room;
use super::{api, trickle};

enum Route {
    Echo,
    Time,
    Items,
    Slow,
    Stream,
    Events,
    Error,
    Chat,
    Pictures,
    Asset(&'static Asset),
}

fn route(path: &str) -> Option<Route> {
    Some(match path {
        "/api/echo" => Route::Echo,
        "/api/time" => Route::Time,
        "/api/items" => Route::Items,
        "/slow" => Route::Slow,
        "/stream" => Route::Stream,
        "/events" => Route::Events,
        "/error" => Route::Error,
        "/ws/chat" => Route::Chat,
        "/pictures" => Route::Pictures,
        _ => return assets::find(path).map(Route::Asset),
    })
}

/// Answers one request. A request that opens a WebSocket hands its session to `upgrade`.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    room: &Arc<Room>,
    upgrade: &mpsc::Sender<Session>,
) -> Response<Answer> {
    let Some(route) = route(request.uri().path()) else {
        return answer::page(StatusCode::NOT_FOUND, assets::NOT_FOUND);
    };
    // hyper leaves the body out when the method is HEAD.
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !matches!(route, Route::Echo) {
        return answer::method_not_allowed();
    }
    let query = request.uri().query();
    match route {
        Route::Echo => api::echo(request).await,
        Route::Time => api::time(),
        Route::Items => api::items(query),
        Route::Slow => trickle::slow(query).await,
        Route::Stream => trickle::stream(),
        Route::Events => trickle::events(request.headers()),
        Route::Error => answer::page(StatusCode::INTERNAL_SERVER_ERROR, assets::ERROR),
        Route::Chat => chat::open(&mut request, room, upgrade),
        Route::Pictures => answer::moved("/pictures/"),
        Route::Asset(asset) => answer::asset(asset, request.headers()),
    }
}
