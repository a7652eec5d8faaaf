//! Connections to a hub.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::client::error::ClientError;
use crate::client::trace::Traced;
use crate::pb::peshub::audit::v1::audit_service_client::AuditServiceClient;
use crate::pb::peshub::credentials::v1::consent_service_client::ConsentServiceClient;
use crate::pb::peshub::credentials::v1::credential_service_client::CredentialServiceClient;
use crate::pb::peshub::credentials::v1::issuer_service_client::IssuerServiceClient;
use crate::pb::peshub::credentials::v1::verification_service_client::VerificationServiceClient;
use crate::pb::peshub::participants::v1::participant_service_client::ParticipantServiceClient;
use crate::pb::peshub::postings::v1::posting_service_client::PostingServiceClient;
use crate::pb::peshub::subsidies::v1::application_service_client::ApplicationServiceClient;
use crate::pb::peshub::subsidies::v1::eligibility_service_client::EligibilityServiceClient;
use crate::pb::peshub::subsidies::v1::population_service_client::PopulationServiceClient;
use crate::pb::peshub::subsidies::v1::programme_service_client::ProgrammeServiceClient;
use crate::pb::peshub::workers::v1::worker_service_client::WorkerServiceClient;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an otherwise silent connection is probed, and how long the answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How much a peer may send before it must wait: enough for a full batch to be under way.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Largest message that is taken: a page of 1,000 postings may be larger than a batch.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a hub is and how to identify oneself to it.
#[derive(Clone, Default)]
pub struct Options {
    /// `https://host:port`; `http://` only for a hub without TLS on the same machine.
    pub address: String,
    /// Authorities that the hub's certificate may be from, PEM. Required with `https`.
    pub authorities_pem: Option<String>,
    /// The client's own certificate.
    pub identity: Option<ClientIdentity>,
    /// A bearer token.
    pub token: Option<String>,
    /// The name in the hub's certificate, when it is not the host of `address`.
    pub domain: Option<String>,
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct ClientIdentity {
    /// Certificate chain, PEM.
    pub certificate_pem: String,
    /// Private key, PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for Options {
    /// Keys and tokens stay out of every log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("address", &self.address)
            .field("has_identity", &self.identity.is_some())
            .field("has_token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// The transport of every call: the channel, with the token and the trace put on.
pub type Transport = InterceptedService<Traced, Bearer>;

/// A connection to a hub. It connects again by itself when a call is made after it broke; clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    channel: Channel,
    bearer: Bearer,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The options are not usable, or the hub cannot be reached.
    pub async fn open(options: &Options) -> Result<Self, ClientError> {
        let bearer = Bearer::new(options.token.as_deref())?;
        let channel = endpoint(options)?.connect().await.map_err(ClientError::Connect)?;
        Ok(Self { channel, bearer })
    }

    /// Returns a connection that connects with its first call.
    ///
    /// # Errors
    ///
    /// The options are not usable.
    pub fn lazy(options: &Options) -> Result<Self, ClientError> {
        let bearer = Bearer::new(options.token.as_deref())?;
        Ok(Self { channel: endpoint(options)?.connect_lazy(), bearer })
    }

    /// Returns a client of the postings exchange.
    #[must_use]
    pub fn postings(&self) -> PostingServiceClient<Transport> {
        PostingServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the register of participants.
    #[must_use]
    pub fn participants(&self) -> ParticipantServiceClient<Transport> {
        ParticipantServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the audit trail.
    #[must_use]
    pub fn audit(&self) -> AuditServiceClient<Transport> {
        AuditServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the trust registry.
    #[must_use]
    pub fn issuers(&self) -> IssuerServiceClient<Transport> {
        IssuerServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of what issues credentials.
    #[must_use]
    pub fn credentials(&self) -> CredentialServiceClient<Transport> {
        CredentialServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the register of workers.
    #[must_use]
    pub fn workers(&self) -> WorkerServiceClient<Transport> {
        WorkerServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the service of workers' consents.
    #[must_use]
    pub fn consents(&self) -> ConsentServiceClient<Transport> {
        ConsentServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the service that verifies credentials.
    #[must_use]
    pub fn verification(&self) -> VerificationServiceClient<Transport> {
        VerificationServiceClient::new(self.transport())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of checks of eligibility.
    #[must_use]
    pub fn eligibility(&self) -> EligibilityServiceClient<Transport> {
        EligibilityServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of populations and sweeps.
    #[must_use]
    pub fn populations(&self) -> PopulationServiceClient<Transport> {
        PopulationServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the service of applications.
    #[must_use]
    pub fn applications(&self) -> ApplicationServiceClient<Transport> {
        ApplicationServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns a client of the book of programmes.
    #[must_use]
    pub fn programmes(&self) -> ProgrammeServiceClient<Transport> {
        ProgrammeServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Returns what calls go through, for those that have no generated client.
    #[must_use]
    pub fn transport(&self) -> Transport {
        InterceptedService::new(Traced(self.channel.clone()), self.bearer.clone())
    }
}

fn endpoint(options: &Options) -> Result<Endpoint, ClientError> {
    let endpoint = Endpoint::from_shared(options.address.clone())
        .map_err(ClientError::Connect)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true);
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    if let Some(authorities) = &options.authorities_pem {
        tls = tls.ca_certificate(Certificate::from_pem(authorities));
    }
    if let Some(identity) = &options.identity {
        tls = tls.identity(Identity::from_pem(&identity.certificate_pem, &identity.key_pem));
    }
    if let Some(domain) = &options.domain {
        tls = tls.domain_name(domain);
    }
    endpoint.tls_config(tls).map_err(ClientError::Connect)
}

/// Puts the bearer token on every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: Option<&str>) -> Result<Self, ClientError> {
        let header: Option<Result<MetadataValue<Ascii>, ClientError>> = token.map(|token| {
            let mut value: MetadataValue<Ascii> =
                format!("Bearer {token}").parse().map_err(|_| ClientError::TokenUnusable)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self(header.transpose()?))
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}
