//! Machines whose drawings are worth looking at.

pub const ALL: [(&str, &str); 4] = [("travel", TRAVEL), ("nested", NESTED), ("loop", LOOP), ("one", ONE)];

/// The booking saga: a compensation for each step, and a step's own compensation runs when it fails.
pub const TRAVEL: &str = r#"{"StartAt":"ReserveHotel","States":{
  "ReserveHotel":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"CancelHotel"}],"Next":"ReserveFlight"},
  "ReserveFlight":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"CancelFlight"}],"Next":"TakePayment"},
  "TakePayment":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"RefundPayment"}],"Next":"ConfirmHotelBooking"},
  "ConfirmHotelBooking":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"RefundPayment"}],"Next":"ConfirmFlight"},
  "ConfirmFlight":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"RefundPayment"}],"Next":"Booked"},
  "Booked":{"Type":"Succeed"},
  "RefundPayment":{"Type":"Task","Comment":"compensates: TakePayment","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"CancelFlight"},
  "CancelFlight":{"Type":"Task","Comment":"compensates: ReserveFlight","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"CancelHotel"},
  "CancelHotel":{"Type":"Task","Comment":"compensates: ReserveHotel","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"NotBooked"},
  "NotBooked":{"Type":"Fail"}}}"#;

/// A Map inside a branch, a Catch that comes back, a Catch of the whole Parallel.
pub const NESTED: &str = r#"{"Comment":"Nested","StartAt":"Prepare","States":{
"Prepare":{"Type":"Pass","Next":"Fan out"},
"Fan out":{"Type":"Parallel","Branches":[
 {"StartAt":"Each parcel","States":{"Each parcel":{"Type":"Map","MaxConcurrency":5,"ItemProcessor":{"StartAt":"Weigh","States":{
   "Weigh":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:weigh","Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"Heavy?"},
   "Heavy?":{"Type":"Choice","Choices":[{"Variable":"$.kg","NumericGreaterThan":20,"Next":"Ship by freight"}],"Default":"Ship by post"},
   "Ship by post":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"x"},"End":true},
   "Ship by freight":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"x"},"End":true}}},"Next":"Sum up"},
   "Sum up":{"Type":"Pass","End":true}}},
 {"StartAt":"Bill","States":{"Bill":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"x"},"Catch":[{"ErrorEquals":["CardDeclined"],"Next":"Ask for another card"}],"Next":"Receipt"},
   "Ask for another card":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"x"},"Next":"Bill"},
   "Receipt":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"x"},"End":true}}},
 {"StartAt":"Log","States":{"Log":{"Type":"Pass","End":true}}}],
 "Catch":[{"ErrorEquals":["States.ALL"],"Next":"Apologise"}],"Next":"Done"},
"Done":{"Type":"Succeed"},
"Apologise":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:sorry","Next":"Failed"},
"Failed":{"Type":"Fail"}}}"#;

/// Polls until a job is done.
pub const LOOP: &str = r#"{"Comment":"Poll a job","StartAt":"Submit job","States":{
"Submit job":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:submit","Next":"Wait a minute"},
"Wait a minute":{"Type":"Wait","Seconds":60,"Next":"Get status"},
"Get status":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:status","Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"Complete?"},
"Complete?":{"Type":"Choice","Choices":[{"Variable":"$.status","StringEquals":"FAILED","Next":"Job failed"},{"Variable":"$.status","StringEquals":"SUCCEEDED","Next":"Get final status"}],"Default":"Wait a minute"},
"Job failed":{"Type":"Fail"},
"Get final status":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:status","End":true}}}"#;

pub const ONE: &str = r#"{"StartAt":"Only","States":{"Only":{"Type":"Succeed"}}}"#;
