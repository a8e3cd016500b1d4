'use strict';

const cdk = require('@aws-cdk/core');

const app = new cdk.App({ outdir: 'cdk.out' });
const modules = {
  cdk,
  apigateway: require('@aws-cdk/aws-apigateway'),
  dynamodb: require('@aws-cdk/aws-dynamodb'),
  lambda: require('@aws-cdk/aws-lambda'),
  sfn: require('@aws-cdk/aws-stepfunctions'),
  tasks: require('@aws-cdk/aws-stepfunctions-tasks'),
  define: (definition) => ({ definition }),
};
require('./stack')(modules, app);
app.synth();
