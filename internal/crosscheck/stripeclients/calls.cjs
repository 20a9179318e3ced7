// Makes every call that stripe-node has, with IDs that do not exist, and prints a line for each: how the server answered it.
'use strict';
const Stripe = require('stripe');

const api = new URL(process.env.STRIPE_API);
const stripe = new Stripe(process.env.STRIPE_KEY, {
  host: api.hostname, port: api.port, protocol: 'http', telemetry: false, maxNetworkRetries: 0,
});

// calls yields the calls of a part of the client, each with its name. A resource is an object whose class has a path.
function* calls(part, name, seen) {
  for (const key in part) {
    const value = part[key];
    if (key.startsWith('_') || key === 'constructor' || seen.has(value)) continue;
    if (typeof value === 'function' && /^function \(\.\.\.args\)/.test(value.toString())) yield [`${name}.${key}`, value.bind(part)];
    if (value && typeof value === 'object' && (value._stripe || value._stripe === undefined && value.constructor?.prototype?._makeRequest)) {
      seen.add(value);
      yield* calls(value, name ? `${name}.${key}` : key, seen);
    }
  }
}

async function main() {
  for (const [name, call] of calls(stripe, '', new Set())) {
    const ids = [];
    for (;;) { // stripe-node says how many IDs a call needs
      let said = 'succeeds';
      try {
        await call(...ids);
      } catch (err) {
        if (/must be a string/.test(err.message) && ids.length < 3) {
          ids.push('x_1');
          continue;
        }
        said = err.message;
      }
      console.log(`${name}\t${said.replace(/\s+/g, ' ')}`);
      break;
    }
  }
}

main().catch((err) => {
  console.error(err);
  process.exitCode = 1;
});
