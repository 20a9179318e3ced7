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
    body: new URLSearchParams({email: 'buyer@shop.example', name: 'A Buyer', method: 'card', number: card, expiry: '12 / 34', cvc: '123'}),
  });
}

// receiver is the shop's webhook. It verifies events with constructEvent and keeps them.
async function receiver() {
  const events = [];
  let secret;
  const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      try {
        events.push(stripe.webhooks.constructEvent(body, req.headers['stripe-signature'], secret));
        assert.throws(() => stripe.webhooks.constructEvent(body, req.headers['stripe-signature'], 'whsec_other'), Stripe.errors.StripeSignatureVerificationError);
        res.writeHead(200).end();
      } catch (err) {
        events.push(err);
        res.writeHead(400).end();
      }
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${server.address().port}/hook`, enabled_events: ['checkout.session.completed', 'charge.refunded'],
  });
  secret = endpoint.secret;
  return {events, endpoint, close: () => server.close()};
}

async function main() {
  assert.equal(stripe.getApiField('version'), process.env.STRIPE_VERSION, 'the API version of stripe-node');
  const hook = await receiver();

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
  console.log('the shop is done');
}

main().catch((err) => {
  console.error(err);
  process.exitCode = 1;
  setImmediate(() => process.exit());
});
