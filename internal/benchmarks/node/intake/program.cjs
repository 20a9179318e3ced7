// A receiver of webhooks as Stripe's documentation shows it: express and stripe-node. It prints its port.
const express = require("express")
const Stripe = require("stripe")

const stripe = new Stripe("sk_test_benchmark")
const app = express()
app.post("/stripe/webhook", express.raw({ type: "*/*" }), (request, response) => {
  try {
    const event = stripe.webhooks.constructEvent(request.body, request.headers["stripe-signature"], process.argv[2])
    response.json({ received: event.type === "checkout.session.completed" })
  } catch (err) {
    response.status(400).send(err.message)
  }
})
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port))
