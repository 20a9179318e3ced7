// The page of the shop. It never decides that an order is paid: it asks the server.
const form = document.querySelector("#order");
const place = document.querySelector("#checkout");
const say = (text) => { document.querySelector("#message").textContent = text; };

// call sends a request to the API. An answer that is no success is thrown, with its code.
async function call(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), answer);
  return answer;
}

// follow asks for the status until it is no longer about to change. The server answers when there is something new.
async function follow(sessionID) {
  say("Checking your payment …");
  for (;;) {
    const order = await call(`/api/status?wait=10&session_id=${encodeURIComponent(sessionID)}`);
    if (order.status === "open") {
      await new Promise((done) => setTimeout(done, 2000));
      continue;
    }
    form.hidden = true;
    say({
      fulfilled: "Thank you. Your order is on its way.",
      paid: "Thank you. Your payment arrived, and your order is being prepared.",
      processing: "Thank you. Your bank is working on the payment.",
      expired: "Time ran out. Nothing was charged.",
    }[order.status] ?? `Your order is ${order.status}.`);
    return;
  }
}

// stripe loads Stripe's script from Stripe, as Stripe demands, and only when the customer pays.
async function stripe(key) {
  await new Promise((loaded, failed) => {
    const script = document.createElement("script");
    Object.assign(script, { src: "https://js.stripe.com/v3/", onload: loaded, onerror: failed });
    document.head.append(script);
  });
  return window.Stripe(key);
}

// pay shows Stripe's form. onComplete says that the customer is done, and not that the money is there.
async function pay(started) {
  const { publishable_key: key } = await call("/api/config");
  if (!key) return payDemo(started);
  const checkout = await (await stripe(key)).initEmbeddedCheckout({
    clientSecret: started.client_secret,
    onComplete: () => { checkout.destroy(); follow(started.session_id).catch(failed); },
  });
  checkout.mount(place);
}

// payDemo shows two buttons in the place of Stripe's form, which the test server does not have.
function payDemo(started) {
  const button = (text, declined) => Object.assign(document.createElement("button"), {
    textContent: text,
    onclick: async () => {
      try {
        await call("/api/demo/pay", { session_id: started.session_id, declined });
        place.replaceChildren();
        await follow(started.session_id);
      } catch (problem) {
        failed(problem);
      }
    },
  });
  place.replaceChildren(button("Pay with a good card", false), button("Pay with a card that is declined", true));
}

function failed(problem) {
  if (problem.code === "sold_out") say(`Only ${problem.lines[0].available} left.`);
  else if (problem.code === "declined") say("Your card was declined. Try another.");
  else say(`That did not work: ${problem.message}`);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    say("");
    await pay(await call("/api/orders", { sku: "tee-m", quantity: Number(form.elements.quantity.value) }));
  } catch (problem) {
    failed(problem);
  }
});

// A bank or a wallet leads back here.
const back = new URLSearchParams(location.search).get("session_id");
if (back) follow(back).catch(failed);
