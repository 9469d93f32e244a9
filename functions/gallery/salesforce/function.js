// Finds a contact in Salesforce. Keep what is needed to sign in as a secret of type JSON:
// {"loginUrl": "https://login.salesforce.com", "username": "…", "password": "…"}, and add the hosts
// of your organisation to the allow-list.
const { Toolbelt } = require("lp-faas-toolbelt");

const salesforce = Toolbelt.SFClient();
const secrets = Toolbelt.SecretClient();
const KEY = "salesforce";

async function lambda(input, callback) {
  let credentials;
  try {
    credentials = (await secrets.readSecret(KEY)).value;
  } catch (error) {
    console.warn(`Cannot read the secret "${KEY}": an admin can add it under Settings`, error);
    callback(null, { contacts: [] });
    return;
  }

  try {
    const connection = await salesforce.connectToSalesforce(credentials);
    // Texts of others never become a part of the query as they are.
    const email = String(input.payload.email).replace(/[\\']/g, "\\$&");
    const found = await connection.query(
      `SELECT Id, Name, Email FROM Contact WHERE Email = '${email}' LIMIT 5`,
    );
    callback(null, { contacts: found.records });
  } catch (error) {
    console.error("Salesforce did not answer as expected", error);
    callback(error);
  }
}
