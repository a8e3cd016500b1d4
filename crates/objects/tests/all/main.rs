mod cases;
mod endpoint;
mod folder;
mod hostile;
mod items;
mod support;
