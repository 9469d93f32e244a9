// Asks another server. Its host must be in the account's allow-list, see Settings.
const { Toolbelt } = require("lp-faas-toolbelt");

const http = Toolbelt.HTTPClient();
const ORDERS = "https://api.example.com/orders";

async function lambda(input, callback) {
  try {
    const response = await http(ORDERS, {
      method: "GET",
      headers: { accept: "application/json" },
      qs: { customer: input.payload.customerId },
      json: true, // the answer is read as JSON
      simple: false, // answers other than 2xx are answers too
      resolveWithFullResponse: true,
      timeout: 800, // stay under one second
    });

    switch (response.statusCode) {
      case 200:
        callback(null, { orders: response.body });
        break;
      case 403:
        // The platform says so itself when the host is not in the allow-list.
        console.warn("The host is not in the allow-list, or the server refuses us", ORDERS);
        callback(null, { orders: [], reason: "not allowed" });
        break;
      case 429:
        console.warn("More than 20 requests a second");
        callback(null, { orders: [], reason: "too many requests" });
        break;
      default:
        console.error("Unexpected answer", { status: response.statusCode });
        callback(null, { orders: [], reason: `status ${response.statusCode}` });
    }
  } catch (error) {
    // The server could not be reached, or took too long.
    console.error("No answer", error);
    callback(error);
  }
}
