//! How many connections are open, in all and per client, over all workers.
//!
//! A server that takes in more connections than it can serve serves nobody, and one client must not
//! take the places of all others. Whoever is turned away for want of room ought to be told so (503),
//! which takes a connection: so a few more than allowed are let in only to hear it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maps among which the clients are divided, so that workers seldom wait for each other.
const SHARDS: usize = 64;
/// A map with fewer places is never made smaller.
const SMALL: usize = 64;

/// What became of a connection that wants to enter.
#[derive(Debug)]
pub enum Entered {
    /// There is room. The seat is to be kept as long as the connection is open.
    Welcome(Seat),
    /// There is none, but a seat to be told so.
    Full(Seat),
    /// Not even that: to be closed at once.
    TurnedAway,
    /// The client has as many connections as one may have.
    Crowded,
}

/// The count. Clones are the same count.
#[derive(Debug, Clone, Default)]
pub struct Headcount {
    house: Arc<House>,
}

#[derive(Debug)]
struct House {
    /// Connections that are open, those that are only told that there is no room among them.
    total: AtomicUsize,
    /// Connections per client; only of clients that have any.
    clients: [Mutex<HashMap<Client, usize>>; SHARDS],
}

impl Default for House {
    fn default() -> Self {
        House {
            total: AtomicUsize::new(0),
            clients: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: the rest is any client's own choice
/// (RFC 7934, RFC 8981).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4(u32),
    V6(u64),
}

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Client::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Client::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

impl House {
    /// The map that knows a client. A guest who fills one of them on purpose gains nothing: the maps'
    /// own hashes are keyed.
    fn shard(&self, client: Client) -> Option<MutexGuard<'_, HashMap<Client, usize>>> {
        let number = match client {
            Client::V4(bits) => u64::from(bits),
            Client::V6(bits) => bits,
        };
        // Fibonacci hashing: the product's highest bits depend on all of the number's.
        let place = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(58);
        let shard = self.clients.get(usize::try_from(place).unwrap_or(0))?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one more connection of a client that has fewer than `most`.
    fn come(&self, client: Client, most: usize) -> bool {
        let Some(mut clients) = self.shard(client) else {
            return false;
        };
        let count = clients.entry(client).or_insert(0);
        let room = *count < most;
        if room {
            *count = count.saturating_add(1);
        }
        room
    }

    fn go(&self, client: Client) {
        let Some(mut clients) = self.shard(client) else {
            return;
        };
        let Some(count) = clients.get_mut(&client) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            clients.remove(&client);
            // What a flood of clients took is given back when they are gone.
            if clients.capacity() > SMALL && clients.len() < clients.capacity() / 8 {
                let kept = clients.len().saturating_mul(2).max(SMALL / 2);
                clients.shrink_to(kept);
            }
        }
    }
}

impl Headcount {
    /// A connection from `address` wants to enter.
    ///
    /// `max`: connections in all, 0 for any number; beyond it, `max / 16 + 64` more are let in to be
    /// told. `per_address`: connections of one IPv4 address or one /64 of IPv6, 0 for any number;
    /// those that entered while it was 0 are not counted among them.
    pub fn enter(&self, address: IpAddr, max: usize, per_address: usize) -> Entered {
        let before = self.house.total.fetch_add(1, Ordering::Relaxed);
        // From here on, dropping it leaves.
        let mut seat = Seat {
            house: Arc::clone(&self.house),
            client: None,
        };
        let reserve = (max / 16).saturating_add(64);
        if max > 0 && before >= max.saturating_add(reserve) {
            return Entered::TurnedAway;
        }
        if per_address > 0 {
            let client = Client::of(address);
            if !self.house.come(client, per_address) {
                return Entered::Crowded;
            }
            seat.client = Some(client);
        }
        if max > 0 && before >= max {
            return Entered::Full(seat);
        }
        Entered::Welcome(seat)
    }
}

/// A connection's place. Dropping it leaves.
#[derive(Debug)]
pub struct Seat {
    house: Arc<House>,
    /// Whom it is counted for.
    client: Option<Client>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            self.house.go(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn four(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    fn open(count: &Headcount) -> usize {
        count.house.total.load(Ordering::Relaxed)
    }

    fn known(count: &Headcount) -> usize {
        let lengths = count.house.clients.iter().map(|c| c.lock().unwrap().len());
        lengths.sum()
    }

    #[test]
    fn over_the_limit_a_few_are_told_and_the_rest_is_turned_away() {
        let count = Headcount::default();
        let mut seats = Vec::new();
        for n in 0..320 {
            match count.enter(four(1), 320, 0) {
                Entered::Welcome(seat) => seats.push(seat),
                other => panic!("{n}: {other:?}"),
            }
        }
        for n in 0..84 {
            match count.enter(four(n), 320, 0) {
                Entered::Full(seat) => seats.push(seat),
                other => panic!("{n}: {other:?}"),
            }
        }
        for _ in 0..3 {
            assert!(matches!(count.enter(four(2), 320, 0), Entered::TurnedAway));
        }
        assert_eq!((open(&count), known(&count)), (404, 0));
        seats.truncate(319);
        assert_eq!(open(&count), 319);
        assert!(matches!(count.enter(four(2), 320, 0), Entered::Welcome(_)));
        // Whatever was allowed when it entered, any number may mean any.
        assert!(matches!(count.enter(four(2), 0, 0), Entered::Welcome(_)));
        drop(seats);
        assert_eq!(open(&count), 0);
    }

    #[test]
    fn a_client_has_so_many_and_others_do_not_mind() {
        let count = Headcount::default();
        let enter = |address: &str| count.enter(address.parse().unwrap(), 0, 2);
        let mut seats = Vec::new();
        for address in [
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
            "2001:db8::ffff:0:0:1",
            "2001:db8:0:1::1",
            // Not the client whose IPv4 address has the same bits.
            "::c000:201:0:0:0:0",
        ] {
            match enter(address) {
                Entered::Welcome(seat) => seats.push(seat),
                other => panic!("{address}: {other:?}"),
            }
        }
        for address in ["192.0.2.1", "2001:db8:0:0:1:2:3:4"] {
            assert!(matches!(enter(address), Entered::Crowded), "{address}");
        }
        assert_eq!((open(&count), known(&count)), (7, 5));
        seats.remove(0);
        assert!(matches!(enter("192.0.2.1"), Entered::Welcome(_)));
        drop(seats);
        assert_eq!((open(&count), known(&count)), (0, 0));
    }

    #[test]
    fn a_client_that_is_told_of_want_of_room_is_counted_too() {
        let count = Headcount::default();
        let first = count.enter(four(1), 1, 2);
        let second = count.enter(four(1), 1, 2);
        assert!(matches!(first, Entered::Welcome(_)));
        assert!(matches!(second, Entered::Full(_)));
        assert!(matches!(count.enter(four(1), 1, 2), Entered::Crowded));
        assert_eq!(open(&count), 2);
    }

    #[test]
    fn what_a_flood_of_clients_took_is_given_back() {
        let count = Headcount::default();
        let places = || -> usize {
            let maps = count.house.clients.iter();
            maps.map(|c| c.lock().unwrap().capacity()).sum()
        };
        let seats: Vec<_> = (0..50_000u128)
            .map(|n| count.enter(Ipv6Addr::from_bits(n << 64).into(), 0, 1))
            .collect();
        assert_eq!(known(&count), 50_000);
        // They are spread evenly enough.
        let longest = count.house.clients.iter().map(|c| c.lock().unwrap().len());
        assert!(longest.max() < Some(2_000));
        assert!(places() < 200_000);
        drop(seats);
        assert_eq!(known(&count), 0);
        assert!(places() <= 64 * SHARDS * 2, "{}", places());
    }

    #[test]
    fn threads_agree() {
        let count = Headcount::default();
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                let count = count.clone();
                scope.spawn(move || {
                    let mut seats: Vec<Entered> = Vec::new();
                    for n in 0..20_000u32 {
                        let entered = count.enter(four(n.wrapping_mul(7) % 11), 200, 30);
                        seats.push(entered);
                        if seats.len() > 60 {
                            seats.swap_remove((n.wrapping_mul(31) % 60) as usize);
                        }
                        let per_client = count.house.clients.iter();
                        let most =
                            per_client.filter_map(|c| c.lock().ok()?.values().copied().max());
                        assert!(n % 1_000 != thread || most.max() <= Some(30));
                        assert!(open(&count) <= 200 + 12 + 64 + 4);
                    }
                });
            }
        });
        assert_eq!((open(&count), known(&count)), (0, 0));
    }
}
