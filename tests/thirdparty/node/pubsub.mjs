// salesforce-pubsub-api-client: subscribes to change events, decodes them, starts again behind a replay id.
import assert from "node:assert/strict";
import jsforce from "jsforce";
import PubSubApiClient from "salesforce-pubsub-api-client";

const { PUBSUB_TLS_ADDR, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_ORG, SF_TLS_URL, SF_VERSION } = process.env;

const org = new jsforce.Connection({
  version: SF_VERSION,
  instanceUrl: SF_TLS_URL,
  oauth2: { clientId: SF_CLIENT_ID, clientSecret: SF_CLIENT_SECRET, loginUrl: SF_TLS_URL },
});
await org.authorize({ grant_type: "client_credentials" });
const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
const connect = async () => {
  const client = new PubSubApiClient(
    {
      authType: "user-supplied",
      accessToken: org.accessToken,
      instanceUrl: SF_TLS_URL,
      organizationId: SF_ORG,
      pubSubEndpoint: PUBSUB_TLS_ADDR,
      rejectUnauthorizedSsl: false, // it trusts a list of its own and takes no other
    },
    quiet,
  );
  await client.connect();
  return client;
};
const client = await connect();

const received = [];
let wake = () => {};
const onEvent = (subscription, type, data) => {
  if (type === "event") received.push(data);
  if (type === "error") console.error(data);
  wake();
};
const until = async (done) => {
  while (!done()) await new Promise((go) => (wake = go));
};

client.subscribe("/data/EventChangeEvent", onEvent, 10);
await new Promise((go) => setTimeout(go, 1500)); // LATEST begins once the service has read the request
const start = new Date(Date.now() + 40 * 86400e3);
const made = await org.sobject("Event").create({
  Subject: "Seen by Pub/Sub",
  StartDateTime: start.toISOString(),
  EndDateTime: new Date(start.getTime() + 3600e3).toISOString(),
});
await until(() => received.length >= 1);
const header = received[0].payload.ChangeEventHeader;
assert.deepEqual([header.entityName, header.changeType, header.recordIds[0]], ["Event", "CREATE", made.id]);
assert.equal(received[0].payload.Subject, "Seen by Pub/Sub");
console.log("created");

await org.sobject("Event").update({ Id: made.id, Location: "Pier 6" });
await until(() => received.length >= 2);
const update = received[1].payload;
assert.equal(update.ChangeEventHeader.changeType, "UPDATE");
assert.ok(update.ChangeEventHeader.changedFields.includes("Location"));
assert.equal(update.Location, "Pier 6");
assert.equal(update.Subject, null);
console.log("updated");

const again = [];
const other = await connect();
other.subscribeFromReplayId("/data/EventChangeEvent", (_, type, data) => {
  if (type === "event") again.push(data);
  if (type === "error") console.error(data);
  wake();
}, 10, received[0].replayId);
await until(() => again.length >= 1);
assert.equal(again[0].payload.ChangeEventHeader.changeType, "UPDATE");
console.log("replayed");

client.close();
process.exit(0);
