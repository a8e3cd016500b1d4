//! The front door: an HTTP request becomes an execution of the saga, and is answered before the trip is booked.

use travel::function::{Started, serve};
use travel::{Failure, Request, Response, Starter};

fn main() -> Started {
    let starter = Starter::from_env()?;
    serve(move |request| start_saga(starter.clone(), request))
}

async fn start_saga(starter: Starter, request: Request) -> Result<Response, Failure> {
    Ok(match starter.start(&request.trip()).await {
        Ok(execution_arn) => {
            println!("started {execution_arn}");
            Response::message(200, "The holiday booking system is processing your order")
        }
        Err(failure) => {
            eprintln!("{failure}");
            Response::message(500, "There was an error")
        }
    })
}
