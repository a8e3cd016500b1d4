//! The operations served: one table from the name on the wire to the method of the database.
//!
//! A row says what it does to the disk (a write's answer waits for the flush) and whether its answer names ARNs:
//! dynoxide writes a region of its own into them, which `Arns` replaces. Operations whose answers hold items are
//! left alone, since an item may hold any text.
//!
//! Not served, because dynoxide does not know them: backups, global tables, export and import, Kinesis, limits.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire;

pub struct Operation {
    pub name: &'static str,
    service: Service,
    pub effect: Effect,
    pub names: Names,
    pub run: fn(&Database, &[u8]) -> Result<Vec<u8>, DynoxideError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    DynamoDB,
    Streams,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Reads,
    /// Also said of what may write, as a PartiQL statement may.
    Writes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Arns,
    Items,
}

macro_rules! operations {
    ($($service:ident $name:ident $method:ident $effect:ident $names:ident;)*) => {
        static OPERATIONS: &[Operation] = &[$(Operation {
            name: stringify!($name),
            service: Service::$service,
            effect: Effect::$effect,
            names: Names::$names,
            run: |database, body| write(&database.$method(read(body)?)?),
        }),*];
    };
}

operations! {
    DynamoDB PutItem               put_item                Writes Items;
    DynamoDB GetItem               get_item                Reads  Items;
    DynamoDB UpdateItem            update_item             Writes Items;
    DynamoDB DeleteItem            delete_item             Writes Items;
    DynamoDB Query                 query                   Reads  Items;
    DynamoDB Scan                  scan                    Reads  Items;
    DynamoDB BatchGetItem          batch_get_item          Reads  Items;
    DynamoDB BatchWriteItem        batch_write_item        Writes Items;
    DynamoDB TransactGetItems      transact_get_items      Reads  Items;
    DynamoDB TransactWriteItems    transact_write_items    Writes Items;
    DynamoDB ExecuteStatement      execute_statement       Writes Items;
    DynamoDB BatchExecuteStatement batch_execute_statement Writes Items;
    DynamoDB ExecuteTransaction    execute_transaction     Writes Items;
    DynamoDB SearchVectors         search_vectors          Reads  Items;
    DynamoDB CreateTable           create_table            Writes Arns;
    DynamoDB DescribeTable         describe_table          Reads  Arns;
    DynamoDB UpdateTable           update_table            Writes Arns;
    DynamoDB DeleteTable           delete_table            Writes Arns;
    DynamoDB ListTables            list_tables             Reads  Items;
    DynamoDB UpdateTimeToLive      update_time_to_live     Writes Items;
    DynamoDB DescribeTimeToLive    describe_time_to_live   Reads  Items;
    DynamoDB TagResource           tag_resource            Writes Items;
    DynamoDB UntagResource         untag_resource          Writes Items;
    DynamoDB ListTagsOfResource    list_tags_of_resource   Reads  Items;
    Streams  ListStreams           list_streams            Reads  Arns;
    Streams  DescribeStream        describe_stream         Reads  Arns;
    Streams  GetShardIterator      get_shard_iterator      Reads  Items;
    Streams  GetRecords            get_records             Reads  Items;
}

#[cfg(test)]
impl Operation {
    pub const fn for_test(
        name: &'static str,
        effect: Effect,
        names: Names,
        run: fn(&Database, &[u8]) -> Result<Vec<u8>, DynoxideError>,
    ) -> Operation {
        Operation { name, service: Service::DynamoDB, effect, names, run }
    }
}

/// The operation that an `X-Amz-Target` names, if it is served.
pub fn find(target: &str) -> Option<&'static Operation> {
    let (version, name) = target.split_once('.')?;
    let service = match version {
        "DynamoDB_20120810" => Service::DynamoDB,
        "DynamoDBStreams_20120810" => Service::Streams,
        _ => return None,
    };
    OPERATIONS.iter().find(|operation| operation.name == name && operation.service == service)
}

/// The text for a target that is not served: what was asked for and what there is.
pub fn not_served(target: &str) -> String {
    let served: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    match target {
        "" => "The request has no X-Amz-Target header, so it names no operation.".to_owned(),
        _ => format!("The operation `{target}` is not served. Served are: {}.", served.join(", ")),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(wire::unreadable)
}

fn write(answer: &impl Serialize) -> Result<Vec<u8>, DynoxideError> {
    serde_json::to_vec(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
