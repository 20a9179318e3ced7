// A shop on stripe-node, like the one in its documentation. The environment names the test server. The shop fails by an uncaught
// exception.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const Stripe = require('stripe');

const api = new URL(process.env.STRIPE_API);
const stripe = new Stripe(process.env.STRIPE_KEY, {
  host: api.hostname, port: api.port, protocol: 'http', telemetry: false, maxNetworkRetries: 0,
});

const tee = (change) => ({
  mode: 'payment',
  success_url: 'https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}',
  client_reference_id: 'order-42',
  metadata: {campaign: 'spring'},
  line_items: [{quantity: 2, price_data: {currency: 'usd', unit_amount: 1999, product_data: {name: 'T-shirt'}}}],
  ...change,
});

// rejects expects an error of one of stripe-node's classes and returns the error.
async function rejects(promise, type) {
  try {
    await promise;
  } catch (err) {
    assert.ok(err instanceof Stripe.errors[type], `${err.type}, not ${type}: ${err.message}`);
    assert.match(err.requestId, /^req_/);
    return err;
  }
  assert.fail(`no ${type}`);
}

// submit fills in the hosted page's form like a browser without JavaScript, and returns the response.
async function submit(url, card) {
  const page = await fetch(url);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /T-shirt/);
  return fetch(url, {
    method: 'POST', redirect: 'manual',
    body: new URLSearchParams({
      'email': 'buyer@shop.example', 'billingName': 'A Buyer', 'payment-method-accordion-item-title': 'card',
      'cardNumber': card, 'cardExpiry': '12 / 34', 'cardCvc': '123', 'billingCountry': 'US', 'billingPostalCode': '94107',
    }),
  });
}

// receiver is a webhook of the shop. It verifies events with parse, which is the function of stripe-node for snapshot events or
// for thin ones, and keeps them. register makes an endpoint at a URL, and returns the endpoint and its secret.
async function receiver(parse, register) {
  const events = [];
  let secret;
  const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      try {
        events.push(parse(body, req.headers['stripe-signature'], secret));
        assert.throws(() => parse(body, req.headers['stripe-signature'], 'whsec_other'), Stripe.errors.StripeSignatureVerificationError);
        res.writeHead(200).end();
      } catch (err) {
        events.push(err);
        res.writeHead(400).end();
      }
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registered = await register(`http://127.0.0.1:${server.address().port}/hook`);
  secret = registered.secret;
  return {events, endpoint: registered.endpoint, close: () => server.close()};
}

const snapshotReceiver = () => receiver(
  (...args) => stripe.webhooks.constructEvent(...args),
  async (url) => {
    const endpoint = await stripe.webhookEndpoints.create({url, enabled_events: ['checkout.session.completed', 'charge.refunded']});
    return {endpoint, secret: endpoint.secret};
  },
);

const thinReceiver = () => receiver(
  (...args) => stripe.parseThinEvent(...args),
  async (url) => {
    const endpoint = await stripe.v2.core.eventDestinations.create({
      name: 'shop', type: 'webhook_endpoint', event_payload: 'thin', enabled_events: ['v1.checkout.session.completed', 'v1.charge.refunded'],
      webhook_endpoint: {url}, include: ['webhook_endpoint.signing_secret'],
    });
    return {endpoint, secret: endpoint.webhook_endpoint.signing_secret};
  },
);

async function main() {
  assert.equal(stripe.getApiField('version'), process.env.STRIPE_VERSION, 'the API version of stripe-node');
  const hook = await snapshotReceiver();
  const thin = await thinReceiver();

  // Create twice with one idempotency key. Retrieve with expand.
  const session = await stripe.checkout.sessions.create(tee(), {idempotencyKey: 'order-42/1'});
  const again = await stripe.checkout.sessions.create(tee(), {idempotencyKey: 'order-42/1'});
  assert.equal(again.id, session.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  assert.equal(again.lastResponse.idempotencyKey ?? again.lastResponse.headers['idempotency-key'], 'order-42/1');
  await rejects(stripe.checkout.sessions.create(tee({client_reference_id: 'other'}), {idempotencyKey: 'order-42/1'}), 'StripeIdempotencyError');
  assert.deepEqual([session.status, session.payment_status, session.amount_total, session.livemode], ['open', 'unpaid', 3998, false]);

  // Pay on the hosted page: first with a declined card, then with a good one.
  assert.equal((await submit(session.url, '4000 0000 0000 0002')).status, 402);
  const back = await submit(session.url, '4242 4242 4242 4242');
  assert.equal(back.status, 303);
  assert.equal(back.headers.get('location'), `https://shop.example/thanks?session_id=${session.id}`);
  const paid = await stripe.checkout.sessions.retrieve(session.id, {expand: ['line_items.data.price.product', 'payment_intent.latest_charge']});
  assert.deepEqual([paid.status, paid.payment_status, paid.customer_details.email], ['complete', 'paid', 'buyer@shop.example']);
  assert.equal(paid.line_items.data[0].price.product.name, 'T-shirt');
  assert.equal(paid.payment_intent.latest_charge.amount_captured, 3998);

  // Refund, and receive the event.
  const refund = await stripe.refunds.create({payment_intent: paid.payment_intent.id, amount: 998, reason: 'requested_by_customer'});
  assert.equal(refund.status, 'succeeded');
  const over = await rejects(stripe.refunds.create({payment_intent: paid.payment_intent.id, amount: 3001}), 'StripeInvalidRequestError');
  assert.equal(over.param, 'amount');

  // A list fetches its next pages by itself.
  const made = new Set([session.id]);
  for (let i = 0; i < 24; i++) made.add((await stripe.checkout.sessions.create(tee())).id);
  const listed = [];
  for await (const s of stripe.checkout.sessions.list({limit: 7})) listed.push(s.id);
  assert.equal(listed.length, 25);
  assert.deepEqual(new Set(listed), made);
  const open = await stripe.checkout.sessions.list({status: 'open', limit: 100}).autoPagingToArray({limit: 1000});
  assert.equal(open.length, 24);
  const types = await stripe.events.list({types: ['charge.refunded', 'checkout.session.completed']}).autoPagingToArray({limit: 10});
  assert.deepEqual(types.map((e) => e.type), ['charge.refunded', 'checkout.session.completed']);
  const expired = await stripe.checkout.sessions.expire(open[0].id);
  assert.deepEqual([expired.status, expired.url], ['expired', null]);

  // Each kind of error has a class.
  const missing = await rejects(stripe.checkout.sessions.retrieve('cs_test_none'), 'StripeInvalidRequestError');
  assert.deepEqual([missing.statusCode, missing.code, missing.param], [404, 'resource_missing', 'id']);
  const unknown = await rejects(stripe.checkout.sessions.create(tee({colour: 'red'})), 'StripeInvalidRequestError');
  assert.deepEqual([unknown.statusCode, unknown.code, unknown.param], [400, 'parameter_unknown', 'colour']);
  const nameless = new Stripe('sk_test_of_someone_else', {host: api.hostname, port: api.port, protocol: 'http', telemetry: false, maxNetworkRetries: 0});
  await rejects(nameless.checkout.sessions.list(), 'StripeAuthenticationError');
  const declined = await rejects(stripe.paymentIntents.create({amount: 100, currency: 'usd', confirm: true, payment_method: 'pm_card_chargeDeclined', payment_method_types: ['card']}), 'StripeCardError');
  assert.deepEqual([declined.code, declined.decline_code, declined.payment_intent.status], ['card_declined', 'generic_decline', 'requires_payment_method']);

  // The webhook received only the types that it asked for, verified.
  for (const e of hook.events) if (e instanceof Error) throw e;
  assert.deepEqual(hook.events.map((e) => e.type), ['checkout.session.completed', 'charge.refunded']);
  assert.equal(hook.events[0].data.object.id, session.id);
  assert.equal(hook.events[1].data.object.amount_refunded, 998);
  assert.equal((await stripe.webhookEndpoints.del(hook.endpoint.id)).deleted, true);
  hook.close();

  // So did the destination of thin events. Their full events and objects can be fetched.
  for (const e of thin.events) if (e instanceof Error) throw e;
  assert.deepEqual(thin.events.map((e) => e.type), ['v1.checkout.session.completed', 'v1.charge.refunded']);
  assert.deepEqual(thin.events.map((e) => e.snapshot_event), hook.events.map((e) => e.id));
  assert.deepEqual(thin.events[0].related_object, {id: session.id, type: 'checkout.session', url: `/v1/checkout/sessions/${session.id}`});
  const related = await stripe.rawRequest('GET', thin.events[1].related_object.url);
  assert.equal(related.amount_refunded, 998);
  const full = await stripe.v2.core.events.retrieve(thin.events[1].id);
  assert.deepEqual([full.changes.before.amount_refunded, full.changes.after.amount_refunded], [0, 998]);
  const ofSession = [];
  for await (const e of stripe.v2.core.events.list({object_id: session.id, limit: 1})) ofSession.push(e.type);
  assert.deepEqual(ofSession, ['v1.checkout.session.completed']);
  const none = await rejects(stripe.v2.core.events.retrieve('evt_none'), 'StripeError');
  assert.deepEqual([none.statusCode, none.code], [404, 'not_found']);
  const wrong = await rejects(stripe.v2.core.eventDestinations.update(thin.endpoint.id, {colour: 'red'}), 'StripeInvalidRequestError');
  assert.deepEqual([wrong.statusCode, wrong.code], [400, 'invalid_fields']);
  await stripe.v2.core.eventDestinations.ping(thin.endpoint.id);
  while (thin.events.length < 3) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(thin.events[2].type, 'v2.core.event_destination.ping');
  assert.equal((await stripe.v2.core.eventDestinations.disable(thin.endpoint.id)).status, 'disabled');
  assert.equal((await stripe.v2.core.eventDestinations.del(thin.endpoint.id)).id, thin.endpoint.id);
  thin.close();
  console.log('the shop is done');
}

main().catch((err) => {
  console.error(err);
  process.exitCode = 1;
  setImmediate(() => process.exit());
});
