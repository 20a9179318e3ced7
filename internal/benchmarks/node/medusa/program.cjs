// Reserves one SKU with Medusa's inventory module, and prints how that went as JSON in the last line.
const { MedusaModule } = require("@medusajs/framework/modules-sdk")

const [database, callers, buyers, items, connections] = [process.argv[2], ...process.argv.slice(3).map(Number)]

async function main() {
  const options = { database: { clientUrl: database, driverOptions: { pool: { min: 0, max: connections } } } }
  const path = "@medusajs/inventory"
  const quiet = new Proxy({}, { get: () => () => {} })
  await MedusaModule.migrateUp({ moduleKey: "inventory", modulePath: path, options })
  const { inventory } = await MedusaModule.bootstrap({
    moduleKey: "inventory", defaultPath: path, declaration: { scope: "internal", resolve: path, options }, injectedDependencies: { logger: quiet },
  })
  const item = await inventory.createInventoryItems({ sku: "hot" })
  await inventory.createInventoryLevels({ inventory_item_id: item.id, location_id: "here", stocked_quantity: items })
  const result = { seconds: 0, p99: 0, sold: 0, refused: 0, failed: 0, failure: "" }
  const latencies = []
  let next = 0
  const caller = async () => {
    while (next < buyers) {
      const line = `line-${next++}`
      const began = performance.now()
      try {
        await inventory.createReservationItems({ inventory_item_id: item.id, location_id: "here", quantity: 1, line_item_id: line })
        result.sold++
      } catch (err) {
        if (/Not enough stock/.test(err.message)) result.refused++
        else { result.failed++; result.failure = err.message }
      }
      latencies.push(performance.now() - began)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: callers }, caller))
  result.seconds = (performance.now() - began) / 1000
  latencies.sort((a, b) => a - b)
  result.p99 = latencies[Math.floor(latencies.length * 0.99)]
  console.log(JSON.stringify(result))
}

main().then(() => process.exit(0), (err) => { console.error(err); process.exit(1) })
