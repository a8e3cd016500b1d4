'use strict';

const cdk = require('aws-cdk-lib');
const sfn = require('aws-cdk-lib/aws-stepfunctions');

const app = new cdk.App({ outdir: 'cdk.out' });
const modules = {
  cdk,
  sfn,
  apigateway: require('aws-cdk-lib/aws-apigateway'),
  dynamodb: require('aws-cdk-lib/aws-dynamodb'),
  lambda: require('aws-cdk-lib/aws-lambda'),
  tasks: require('aws-cdk-lib/aws-stepfunctions-tasks'),
  define: (chain) => ({ definitionBody: sfn.DefinitionBody.fromChainable(chain) }),
};
require('./stack')(modules, app);
app.synth();
