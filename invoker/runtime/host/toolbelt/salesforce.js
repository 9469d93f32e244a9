// Salesforce by jsforce 1.x. It takes a third of a second to load, so it is not before it is used.
let jsforce = null;

export const sfClient = {
  connectToSalesforce(options) {
    jsforce ??= require("jsforce");
    return new jsforce.Connection(options);
  },
};
