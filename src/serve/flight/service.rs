//! The methods of Flight SQL.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetCrossReference,
    CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandStatementQuery, DoPutPreparedStatementResult,
    ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    IpcMessage, SchemaAsIpc, Ticket,
};
use datafusion::catalog::CatalogProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::{Stream, TryStreamExt, stream};
use prost::Message;
use std::pin::Pin;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use crate::serve::auth::Token;
use crate::serve::limits::Limits;

use super::handle::Handle;
use super::metadata;
use super::results::{DataStream, one, sent_schema, status, stream_rows};
use super::session::{self, CATALOG};

/// The type of all tables.
const TABLE: &str = "TABLE";

/// The server's state: a session.
pub struct Service {
    ctx: SessionContext,
    limits: Limits,
    token: Option<Token>,
}

impl Service {
    pub fn new(ctx: SessionContext, limits: Limits, token: Option<Token>) -> Self {
        Self { ctx, limits, token }
    }

    /// A statement's plan, with its parameters in their places.
    async fn plan(&self, handle: &Handle) -> Result<LogicalPlan, Status> {
        let plan = session::plan(&self.ctx, &handle.sql).await;
        let plan = plan.map_err(|error| status(&error))?;
        match handle.values().map_err(|error| status(&error))? {
            Some(values) => plan
                .with_param_values(values)
                .map_err(|error| status(&error)),
            None => Ok(plan),
        }
    }

    async fn physical(&self, handle: &Handle) -> Result<Arc<dyn ExecutionPlan>, Status> {
        let plan = self.plan(handle).await?;
        let frame = session::frame(&self.ctx, plan);
        frame
            .create_physical_plan()
            .await
            .map_err(|error| status(&error))
    }

    /// Runs a statement; its rows go to the client as they come.
    async fn run(&self, handle: &[u8]) -> Result<Response<DataStream>, Status> {
        let handle = decode(handle)?;
        let place = self.limits.request().await;
        let place = place
            .ok_or_else(|| Status::resource_exhausted("too many queries at a time; try again"))?;
        let plan = self.physical(&handle).await?;
        let rows = execute_stream(plan, self.ctx.task_ctx()).map_err(|error| status(&error))?;
        Ok(stream_rows(rows, place))
    }

    fn catalog(&self) -> Result<Arc<dyn CatalogProvider>, Status> {
        self.ctx
            .catalog(CATALOG)
            .ok_or_else(|| Status::internal("there is no catalog"))
    }

    /// All tables that a client asks for.
    async fn tables(&self, query: CommandGetTables) -> Result<RecordBatch, Status> {
        let with_schema = query.include_schema;
        let wanted =
            query.table_types.is_empty() || query.table_types.iter().any(|kind| kind == TABLE);
        let mut builder = query.into_builder();
        let catalog = self.catalog()?;
        for schema_name in catalog.schema_names().into_iter().filter(|_| wanted) {
            let Some(schema) = catalog.schema(&schema_name) else {
                continue;
            };
            for name in schema.table_names() {
                let columns = match with_schema {
                    false => Schema::empty(),
                    true => match schema.table(&name).await {
                        Ok(Some(table)) => table.schema().as_ref().clone(),
                        // One damaged file is not to hide all others.
                        Ok(None) | Err(_) => continue,
                    },
                };
                builder
                    .append(CATALOG, &schema_name, &name, TABLE, &columns)
                    .map_err(Status::from)?;
            }
        }
        builder.build().map_err(Status::from)
    }
}

fn decode(handle: &[u8]) -> Result<Handle, Status> {
    Handle::decode(handle).ok_or_else(|| Status::invalid_argument("this is no statement's handle"))
}

/// Where the client finds what it asks for: here, by this ticket.
fn info<M: ProstMessageExt>(
    ticket: &M,
    schema: &Schema,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| Status::from(FlightError::from(error)))?
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
        .with_descriptor(request.into_inner());
    Ok(Response::new(info))
}

fn ipc(schema: &Schema) -> Result<IpcMessage, Status> {
    let options = IpcWriteOptions::default();
    SchemaAsIpc::new(schema, &options)
        .try_into()
        .map_err(|error: arrow::error::ArrowError| Status::from(FlightError::from(error)))
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Self;

    /// The interceptor has seen the token, or the password that it is; clients go on with it.
    async fn do_handshake(
        &self,
        _request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<
        Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>,
        Status,
    > {
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::iter([Ok(HandshakeResponse::default())])));
        if let Some(token) = &self.token {
            let bearer = MetadataValue::try_from(token.bearer());
            let bearer = bearer.map_err(|_| Status::internal("the token fits no header"))?;
            response.metadata_mut().insert("authorization", bearer);
        }
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = Handle::new(query.query);
        let schema = sent_schema(self.physical(&handle).await?.schema());
        let ticket = TicketStatementQuery {
            statement_handle: handle.encode().into(),
        };
        info(&ticket, &schema, request)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        self.run(&ticket.statement_handle).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let handle = Handle::new(query.query);
        let plan = self.plan(&handle).await?;
        let parameters = plan
            .get_parameter_fields()
            .map_err(|error| status(&error))?;
        let mut parameters: Vec<_> = parameters.into_iter().collect();
        // $10 stands behind $9.
        parameters.sort_by_key(|(name, _)| (name.len(), name.clone()));
        let fields = parameters.into_iter().map(|(name, field)| match field {
            Some(field) => field.as_ref().clone().with_name(name),
            // Whatever the client binds.
            None => arrow::datatypes::Field::new(name, arrow::datatypes::DataType::Utf8, true),
        });
        let parameters = Schema::new(fields.collect::<Vec<_>>());
        let rows = sent_schema(Arc::clone(plan.schema().inner()));
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.encode().into(),
            dataset_schema: ipc(&rows)?.0,
            parameter_schema: ipc(&parameters)?.0,
        })
    }

    /// Nothing is kept, so nothing is to be closed.
    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let handle = decode(&query.prepared_statement_handle)?;
        let data = request
            .into_inner()
            .map_err(|error| FlightError::Tonic(Box::new(error)));
        let mut batches = FlightRecordBatchStream::new_from_flight_data(data);
        let first = batches.try_next().await?;
        if batches
            .try_next()
            .await?
            .is_some_and(|more| more.num_rows() > 0)
        {
            return Err(Status::invalid_argument(
                "a query takes one row of parameters",
            ));
        }
        let bound = match first {
            Some(row) => handle.bind(&row).map_err(|error| status(&error))?,
            None => handle,
        };
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(bound.encode().into()),
        })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = decode(&query.prepared_statement_handle)?;
        let schema = sent_schema(self.physical(&handle).await?.schema());
        info(&query, &schema, request)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        self.run(&query.prepared_statement_handle).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query, &query.into_builder().schema(), request)
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let mut builder = query.into_builder();
        builder.append(CATALOG);
        Ok(one(builder.build()?))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query.clone(), &query.into_builder().schema(), request)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let mut builder = query.into_builder();
        for schema in self.catalog()?.schema_names() {
            builder.append(CATALOG, schema);
        }
        Ok(one(builder.build()?))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query.clone(), &query.into_builder().schema(), request)
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(self.tables(query).await?))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query, &query.into_builder().schema(), request)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let mut builder = query.into_builder();
        builder.append(TABLE);
        Ok(one(builder.build()?))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder(metadata::sql_info()?).schema();
        info(&query, &schema, request)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(query.into_builder(metadata::sql_info()?).build()?))
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.into_builder(metadata::types()?).schema();
        info(&query, &schema, request)
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(query.into_builder(metadata::types()?).build()?))
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query, &metadata::primary_keys(), request)
    }

    async fn do_get_primary_keys(
        &self,
        _query: CommandGetPrimaryKeys,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(metadata::nothing(metadata::primary_keys())))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query, &metadata::foreign_keys(), request)
    }

    async fn do_get_exported_keys(
        &self,
        _query: CommandGetExportedKeys,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(metadata::nothing(metadata::foreign_keys())))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query, &metadata::foreign_keys(), request)
    }

    async fn do_get_imported_keys(
        &self,
        _query: CommandGetImportedKeys,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(metadata::nothing(metadata::foreign_keys())))
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(&query, &metadata::foreign_keys(), request)
    }

    async fn do_get_cross_reference(
        &self,
        _query: CommandGetCrossReference,
        _request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        Ok(one(metadata::nothing(metadata::foreign_keys())))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
