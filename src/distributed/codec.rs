//! How scans of packed files travel: as the Parquet scans that they wrap.

use std::sync::Arc;

use datafusion::common::{internal_datafusion_err, not_impl_datafusion_err};
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use prost::Message;

use crate::datafusion::TolerantSource;

/// Encodes a scan of [`TolerantSource`] by its Parquet scan, and wraps what it decodes again, with
/// the metadata cache of the session that will run it. Functions travel by their names.
#[derive(Debug)]
pub struct TolerantCodec;

/// A scan on its way.
#[derive(Clone, PartialEq, Message)]
struct Scan {
    #[prost(message, optional, tag = "1")]
    parquet: Option<PhysicalPlanNode>,
    /// DataFusion would send 32 bits of it.
    #[prost(uint64, optional, tag = "2")]
    limit: Option<u64>,
    /// DataFusion would not send it.
    #[prost(bool, tag = "3")]
    preserve_order: bool,
}

impl PhysicalExtensionCodec for TolerantCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some((config, source)) = scan_of(node.as_ref()) else {
            return Err(not_impl_datafusion_err!(
                "{} cannot be sent to workers",
                node.name()
            ));
        };
        let mut files = config.file_groups.iter().flat_map(FileGroup::iter);
        if files.any(|file| file.extensions.get::<ParquetAccessPlan>().is_some()) {
            return Err(not_impl_datafusion_err!(
                "row groups and rows that were chosen beforehand cannot be sent to workers"
            ));
        }
        let parquet = FileScanConfigBuilder::from(config.clone())
            .with_limit(None)
            .with_source(Arc::new(source.parquet_source().clone()))
            .build();
        let parquet: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(parquet);
        let scan = Scan {
            parquet: Some(converter.execution_plan_to_proto(&parquet, self)?),
            limit: config.limit.map(|limit| limit as u64),
            preserve_order: config.preserve_order,
        };
        buf.extend(scan.encode_to_vec());
        Ok(())
    }

    fn try_decode(
        &self,
        buf: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let scan = Scan::decode(buf).map_err(|error| DataFusionError::External(error.into()))?;
        let parquet = scan
            .parquet
            .filter(|plan| {
                matches!(
                    plan.physical_plan_type,
                    Some(PhysicalPlanType::ParquetScan(_))
                )
            })
            // Another of these within it would be decoded in turn, as deep as someone likes.
            .ok_or_else(|| internal_datafusion_err!("a scan has arrived without its plan"))?;
        let decode = PhysicalPlanDecodeContext::new(ctx, self);
        let parquet = converter.proto_to_execution_plan(&parquet, &decode)?;
        let (config, source) = config_of(parquet.as_ref())
            .and_then(|config| {
                Some((
                    config,
                    config.file_source().downcast_ref::<ParquetSource>()?,
                ))
            })
            .ok_or_else(|| internal_datafusion_err!("a scan has arrived as another plan"))?;
        let cache = ctx.runtime_env().cache_manager.get_file_metadata_cache();
        let source = TolerantSource::new(source.clone()).with_metadata_cache(cache);
        let limit = scan
            .limit
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let config = FileScanConfigBuilder::from(config.clone())
            .with_limit(limit)
            .with_preserve_order(scan.preserve_order)
            .with_source(Arc::new(source))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// A scan of files, whatever their kind.
pub(super) fn config_of(plan: &dyn ExecutionPlan) -> Option<&FileScanConfig> {
    plan.downcast_ref::<DataSourceExec>()?
        .data_source()
        .downcast_ref()
}

/// A scan of files that may be packed.
pub(super) fn scan_of(plan: &dyn ExecutionPlan) -> Option<(&FileScanConfig, &TolerantSource)> {
    let config = config_of(plan)?;
    Some((config, config.file_source().downcast_ref()?))
}
