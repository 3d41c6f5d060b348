//! stub
use std::net::IpAddr;
/// s
#[derive(Debug)]
pub struct Seat;
/// s
#[derive(Debug, Default)]
pub struct Headcount;
/// s
#[derive(Debug)]
pub enum Entered {
    /// s
    Welcome(Seat),
    /// s
    Full(Seat),
    /// s
    TurnedAway,
    /// s
    Crowded,
}
impl Headcount {
    /// s
    pub fn enter(&self, _a: IpAddr, _m: usize, _p: usize) -> Entered {
        Entered::Welcome(Seat)
    }
}
