// jsforce: client credentials, describe, CRUD, find, queries that fetch further pages, upsert, collections, Bulk API 2.0.
import assert from "node:assert/strict";
import jsforce from "jsforce";

const { SF_CLIENT_ID, SF_CLIENT_SECRET, SF_TLS_URL, SF_VERSION } = process.env;

const org = new jsforce.Connection({
  version: SF_VERSION,
  instanceUrl: SF_TLS_URL,
  oauth2: { clientId: SF_CLIENT_ID, clientSecret: SF_CLIENT_SECRET, loginUrl: SF_TLS_URL },
});
const user = await org.authorize({ grant_type: "client_credentials" });
assert.ok(user.id && user.organizationId);
console.log("signed in");

const start = new Date(Date.now() + 35 * 86400e3);
const event = (subject, day = 0) => ({
  Subject: subject,
  StartDateTime: new Date(start.getTime() + day * 86400e3).toISOString(),
  DurationInMinutes: 30,
});
const described = await org.sobject("Event").describe();
assert.ok(described.fields.some((field) => field.name === "WhoId" && field.referenceTo.includes("Contact")));
console.log("described");

const made = await org.sobject("Event").create(event("By jsforce"));
assert.ok(made.success);
const read = await org.sobject("Event").retrieve(made.id);
assert.equal(read.DurationInMinutes, 30);
const found = await org.sobject("Event").find({ Subject: { $like: "By jsf%" } }, ["Id", "Subject"]).limit(5);
assert.deepEqual(found.map((row) => row.Id), [made.id]);
console.log("found");

const many = await org.sobject("Event").create(Array.from({ length: 25 }, (_, day) => event(`Many ${day}`, day)), { allOrNone: true });
assert.ok(many.every((row) => row.success));
const rows = await org.query("SELECT Id, Subject FROM Event WHERE Subject LIKE 'Many %' ORDER BY StartDateTime", { autoFetch: true, maxFetch: 100 });
assert.equal(rows.records.length, 25);
console.log("collections");

const first = await org.sobject("Event").upsert({ ...event("Upserted"), Concord_Sync_Key__c: "jsforce:1" }, "Concord_Sync_Key__c");
const second = await org.sobject("Event").upsert({ Location: "Here", Concord_Sync_Key__c: "jsforce:1" }, "Concord_Sync_Key__c");
assert.deepEqual([first.success, second.success, second.id], [true, true, first.id]);
console.log("upserted");

const results = await org.bulk2.loadAndWaitForResults({
  object: "Event",
  operation: "insert",
  input: Array.from({ length: 6 }, (_, day) => event(`Bulk ${day}`, day)),
  pollInterval: 200,
  pollTimeout: 30000,
});
assert.equal(results.successfulResults.length, 6);
console.log("bulk");

await assert.rejects(org.sobject("Event").create({ Subject: "No times" }), (error) => Boolean(error.errorCode));
await assert.rejects(org.query("SELECT Nothing FROM Event"), (error) => error.errorCode === "INVALID_FIELD");
const gone = await org.sobject("Event").destroy(many.map((row) => row.id));
assert.ok(gone.every((row) => row.success));
console.log("errors, deleted");
