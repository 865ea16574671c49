//! Addresses and ports of a fixture: a block 127.x.y.0/24, reserved by binding it.
//!
//! All authoritative DNS servers use one port on different addresses, as on the internet, because a client has one
//! setting for it. So do all HTTPS servers.

use crate::TestbedError;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use tokio::net::{TcpListener, UdpSocket};

/// Most blocks that are tried.
const TRIES: u32 = 64;

/// Last octets of the servers.
mod octet {
    pub(super) const ROOT: u8 = 1;
    pub(super) const TLD: u8 = 2;
    pub(super) const HOSTS: [u8; 2] = [11, 12];
    pub(super) const PARKING: [u8; 2] = [21, 22];
    pub(super) const RESOLVER: u8 = 31;
    pub(super) const SERVICE: u8 = 41;
    pub(super) const PARKING_PAGE: u8 = 42;
    pub(super) const WELL: u8 = 43;
    pub(super) const EDGE: u8 = 44;
    pub(super) const PROXIES: [u8; 3] = [61, 62, 63];
    pub(super) const REGISTRY: u8 = 51;
    pub(super) const PHONE: u8 = 52;
}

/// Both sockets of a DNS server.
#[derive(Debug)]
pub struct DnsSockets {
    /// For datagrams.
    pub udp: UdpSocket,
    /// For connections.
    pub tcp: TcpListener,
    /// Address of both.
    pub address: SocketAddrV4,
}

/// A reserved block: every socket of a fixture, bound and not yet served.
#[derive(Debug)]
pub struct AddressBlock {
    /// Port of every DNS server.
    pub dns_port: u16,
    /// Port of every HTTPS server.
    pub https_port: u16,
    /// Port of every HTTP server.
    pub http_port: u16,
    /// The root server.
    pub root: DnsSockets,
    /// The server of all top-level domains.
    pub tld: DnsSockets,
    /// The two servers of the hosting company.
    pub hosts: [DnsSockets; 2],
    /// The two servers of the registrar's parking.
    pub parking: [DnsSockets; 2],
    /// The caching resolver.
    pub resolver: DnsSockets,
    /// HTTPS of the service.
    pub service: TcpListener,
    /// HTTPS of the registrar's parking page.
    pub parking_page: TcpListener,
    /// HTTPS of the host on another domain.
    pub well: TcpListener,
    /// Address of the edge, which is not bound.
    pub edge: Ipv4Addr,
    /// HTTP of the management proxies.
    pub proxies: [TcpListener; 3],
    /// HTTP of registry and registrar.
    pub registry: TcpListener,
    /// HTTP of the telephone provider.
    pub phone: TcpListener,
}

impl AddressBlock {
    /// Reserves a free block.
    ///
    /// # Errors
    /// [`TestbedError::NoAddressBlock`] when none of 64 blocks could be bound.
    pub async fn reserve() -> Result<Self, TestbedError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for attempt in 0..TRIES {
            let chance = RandomState::new().build_hasher().finish().to_be_bytes();
            // 127.0.y.z is left to other programs, 127.255 because it ends with a broadcast address.
            let block = [127, chance[0] % 254 + 1, chance[1]];
            // A port in use on all addresses would affect every block, so ports change after some tries.
            let shift = u16::try_from(attempt / 4).unwrap_or(0) * 20;
            match Self::bind(block, shift).await {
                Ok(block) => return Ok(block),
                Err(error) => last = error,
            }
        }
        Err(TestbedError::NoAddressBlock { tries: TRIES, last })
    }

    async fn bind(block: [u8; 3], shift: u16) -> io::Result<Self> {
        let [a, b, c] = block;
        let at = |last: u8, port: u16| SocketAddrV4::new(Ipv4Addr::new(a, b, c, last), port + shift);
        let (dns, https, http) = (5_300, 8_443, 8_080);
        let tcp = |last: u8, port: u16| TcpListener::bind(at(last, port));
        Ok(Self {
            dns_port: dns + shift,
            https_port: https + shift,
            http_port: http + shift,
            root: DnsSockets::bind(at(octet::ROOT, dns)).await?,
            tld: DnsSockets::bind(at(octet::TLD, dns)).await?,
            hosts: [
                DnsSockets::bind(at(octet::HOSTS[0], dns)).await?,
                DnsSockets::bind(at(octet::HOSTS[1], dns)).await?,
            ],
            parking: [
                DnsSockets::bind(at(octet::PARKING[0], dns)).await?,
                DnsSockets::bind(at(octet::PARKING[1], dns)).await?,
            ],
            resolver: DnsSockets::bind(at(octet::RESOLVER, dns)).await?,
            service: tcp(octet::SERVICE, https).await?,
            parking_page: tcp(octet::PARKING_PAGE, https).await?,
            well: tcp(octet::WELL, https).await?,
            edge: Ipv4Addr::new(a, b, c, octet::EDGE),
            proxies: [
                tcp(octet::PROXIES[0], http).await?,
                tcp(octet::PROXIES[1], http).await?,
                tcp(octet::PROXIES[2], http).await?,
            ],
            registry: tcp(octet::REGISTRY, http).await?,
            phone: tcp(octet::PHONE, http).await?,
        })
    }
}

impl DnsSockets {
    async fn bind(address: SocketAddrV4) -> io::Result<Self> {
        Ok(Self { udp: UdpSocket::bind(address).await?, tcp: TcpListener::bind(address).await?, address })
    }
}

/// The IPv4 address of a bound listener.
///
/// # Errors
/// When the socket is closed.
pub fn address_of(listener: &TcpListener) -> io::Result<SocketAddrV4> {
    match listener.local_addr()? {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}
