//! The addresses and ports that a lab stands on: a block 127.x.y.0/24 of its own, claimed by binding it.
//!
//! All authoritative DNS servers share one port on different addresses, as they do in the world, because a client has
//! one setting for it. So do all HTTPS servers.

use crate::LabError;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use tokio::net::{TcpListener, UdpSocket};

/// Blocks tried before giving up.
const TRIES: u32 = 64;

/// Last octets of the parts of a lab.
mod seat {
    pub(super) const ROOT: u8 = 1;
    pub(super) const TLD: u8 = 2;
    pub(super) const HOSTS: [u8; 2] = [11, 12];
    pub(super) const PARKING: [u8; 2] = [21, 22];
    pub(super) const RESOLVER: u8 = 31;
    pub(super) const SERVICE: u8 = 41;
    pub(super) const PARKING_PAGE: u8 = 42;
    pub(super) const WELL: u8 = 43;
    pub(super) const REGISTRY: u8 = 51;
    pub(super) const PHONE: u8 = 52;
}

/// Both sockets of a DNS server.
#[derive(Debug)]
pub struct DnsSeat {
    /// For datagrams.
    pub udp: UdpSocket,
    /// For connections.
    pub tcp: TcpListener,
    /// Where both are bound.
    pub address: SocketAddrV4,
}

/// A claimed block: every socket of a lab, bound and not yet served.
#[derive(Debug)]
pub struct Ground {
    /// Port of every DNS server.
    pub dns_port: u16,
    /// Port of every HTTPS server.
    pub https_port: u16,
    /// The root server.
    pub root: DnsSeat,
    /// The server of all top-level domains.
    pub tld: DnsSeat,
    /// The two servers of the hosting company.
    pub hosts: [DnsSeat; 2],
    /// The two servers of the registrar's parking.
    pub parking: [DnsSeat; 2],
    /// The caching resolver.
    pub resolver: DnsSeat,
    /// HTTPS of the service.
    pub service: TcpListener,
    /// HTTPS of the registrar's parking page.
    pub parking_page: TcpListener,
    /// HTTPS of the host on another domain.
    pub well: TcpListener,
    /// HTTP of registry and registrar.
    pub registry: TcpListener,
    /// HTTP of the telephone company.
    pub phone: TcpListener,
}

impl Ground {
    /// Claims a free block.
    ///
    /// # Errors
    /// [`LabError::NoGround`] when none of 64 blocks could be bound.
    pub async fn claim() -> Result<Self, LabError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for attempt in 0..TRIES {
            let chance = RandomState::new().build_hasher().finish().to_be_bytes();
            // 127.0.y.z is left to everybody else; so is 127.255, whose end is a broadcast address.
            let block = [127, chance[0] % 254 + 1, chance[1]];
            // A port taken on all addresses by somebody else would spoil every block: move on now and then.
            let shift = u16::try_from(attempt / 4).unwrap_or(0) * 20;
            match Self::bind(block, shift).await {
                Ok(ground) => return Ok(ground),
                Err(error) => last = error,
            }
        }
        Err(LabError::NoGround { tries: TRIES, last })
    }

    async fn bind(block: [u8; 3], shift: u16) -> io::Result<Self> {
        let [a, b, c] = block;
        let at = |last: u8, port: u16| SocketAddrV4::new(Ipv4Addr::new(a, b, c, last), port + shift);
        let (dns, https, http) = (5_300, 8_443, 8_080);
        let tcp = |last: u8, port: u16| TcpListener::bind(at(last, port));
        Ok(Self {
            dns_port: dns + shift,
            https_port: https + shift,
            root: DnsSeat::bind(at(seat::ROOT, dns)).await?,
            tld: DnsSeat::bind(at(seat::TLD, dns)).await?,
            hosts: [
                DnsSeat::bind(at(seat::HOSTS[0], dns)).await?,
                DnsSeat::bind(at(seat::HOSTS[1], dns)).await?,
            ],
            parking: [
                DnsSeat::bind(at(seat::PARKING[0], dns)).await?,
                DnsSeat::bind(at(seat::PARKING[1], dns)).await?,
            ],
            resolver: DnsSeat::bind(at(seat::RESOLVER, dns)).await?,
            service: tcp(seat::SERVICE, https).await?,
            parking_page: tcp(seat::PARKING_PAGE, https).await?,
            well: tcp(seat::WELL, https).await?,
            registry: tcp(seat::REGISTRY, http).await?,
            phone: tcp(seat::PHONE, http).await?,
        })
    }
}

impl DnsSeat {
    async fn bind(address: SocketAddrV4) -> io::Result<Self> {
        Ok(Self { udp: UdpSocket::bind(address).await?, tcp: TcpListener::bind(address).await?, address })
    }
}

/// The IPv4 address of a bound listener.
///
/// # Errors
/// Whatever the system says when the socket is gone.
pub fn address_of(listener: &TcpListener) -> io::Result<SocketAddrV4> {
    match listener.local_addr()? {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}
