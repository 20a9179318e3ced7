// Asks the status endpoint and loads the page anew when the status has changed. Without JavaScript the page refreshes itself.
const order = document.getElementById("order");
setInterval(async () => {
	const answer = await fetch("/checkout/status?session_id=" + encodeURIComponent(order.dataset.session));
	if (answer.ok && (await answer.json()).status !== order.dataset.status) location.reload();
}, 2500);
