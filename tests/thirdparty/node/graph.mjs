// Microsoft's Graph client for JavaScript and MSAL for Node: sign-in, pages, batch, upload of nothing, errors.
import assert from "node:assert/strict";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { BatchRequestContent, BatchResponseContent, Client, PageIterator } from "@microsoft/microsoft-graph-client";

const { GRAPH_AUTHORITY, GRAPH_CLIENT_ID, GRAPH_CLIENT_SECRET, GRAPH_TLS_URL, GRAPH_USER } = process.env;

const signIn = new ConfidentialClientApplication({
  auth: {
    clientId: GRAPH_CLIENT_ID,
    clientSecret: GRAPH_CLIENT_SECRET,
    authority: GRAPH_AUTHORITY,
    knownAuthorities: [new URL(GRAPH_AUTHORITY).host],
  },
});
const client = Client.init({
  baseUrl: GRAPH_TLS_URL.replace(/\/v1\.0$/, ""),
  defaultVersion: "v1.0",
  customHosts: new Set([new URL(GRAPH_TLS_URL).hostname]),
  authProvider: async (done) => {
    const answer = await signIn.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
    done(null, answer.accessToken);
  },
});

const day = new Date(Date.now() + 50 * 86400e3).toISOString().slice(0, 10);
const event = (subject, hour) => ({
  subject,
  start: { dateTime: `${day}T${hour}:00:00`, timeZone: "Europe/Berlin" },
  end: { dateTime: `${day}T${hour}:30:00`, timeZone: "Europe/Berlin" },
  attendees: [{ type: "required", emailAddress: { address: "client@elsewhere.example", name: "Client" } }],
});
const path = `/users/${GRAPH_USER}`;

const made = await client.api(`${path}/events`).header("Prefer", 'outlook.timezone="Europe/Berlin"').post(event("By JavaScript", "09"));
assert.equal(made.start.dateTime, `${day}T09:00:00.0000000`);
assert.equal(made.attendees[0].status.response, "none");
console.log("created");

const several = new BatchRequestContent(
  ["10", "11", "12"].map((hour, number) => ({
    id: String(number),
    request: new Request(new URL(`${path}/events`, GRAPH_TLS_URL), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(event(`Batched ${hour}`, hour)),
    }),
  })),
);
const answers = new BatchResponseContent(await client.api("/$batch").post(await several.getContent()));
for (const [, answer] of answers.getResponsesIterator()) assert.equal(answer.status, 201, await answer.text());
console.log("batched");

const page = await client
  .api(`${path}/calendarView`)
  .query({ startDateTime: `${day}T00:00:00Z`, endDateTime: `${day}T23:59:59Z` })
  .select("id,subject,start")
  .orderby("start/dateTime")
  .top(2)
  .get();
const subjects = [];
await new PageIterator(client, page, (one) => subjects.push(one.subject) > 0).iterate();
for (const subject of ["By JavaScript", "Batched 10", "Batched 11", "Batched 12"]) assert.ok(subjects.includes(subject));
console.log("paged");

const patched = await client.api(`${path}/events/${made.id}`).patch({ showAs: "workingElsewhere", isReminderOn: false });
assert.equal(patched.showAs, "workingElsewhere");
await client.api(`${path}/events/${made.id}/cancel`).post({ comment: "Another time" });
await assert.rejects(client.api(`${path}/events/${made.id}`).get(), (error) => {
  assert.equal(error.statusCode, 404);
  assert.equal(error.code, "ErrorItemNotFound");
  return true;
});
console.log("patched, cancelled, refused");
