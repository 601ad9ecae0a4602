// Microsoft's Agents Playground as a person uses it: one step a line on standard input, as JSON, answered by one line.
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const [address, executablePath] = process.argv.slice(2)
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
const page = await browser.newPage({ viewport: { width: 1500, height: 1400 } }) // narrower, and the list of channels is gone
await page.route(url => !['localhost', '127.0.0.1'].includes(url.hostname), route => route.abort()) // its fonts
await page.goto(address)
await page.getByText('Connected.').waitFor()

const CHANNEL = { x: 368, y: 308, width: 766, height: 1092 } // without the Playground's own panels

const steps = {
  open: channel => page.locator(`button[aria-label="${channel}"]`).click(),
  ask: async text => {
    await page.locator('[data-lexical-editor="true"]').first().click()
    await page.keyboard.type('@mail')
    await page.getByRole('menuitem', { name: 'mailcheck' }).first().click() // Enter would post the bare text
    await page.keyboard.type(` ${text}`)
    await page.getByRole('button', { name: 'Post' }).click()
  },
  press: label => page.getByRole('button', { name: label, exact: true }).last().click(),
  see: text => page.getByText(text).last().waitFor({ timeout: 10_000 }),
  miss: text => page.getByText(text).first().waitFor({ state: 'detached', timeout: 10_000 }),
  picture: path => page.screenshot({ path, clip: CHANNEL }),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, argument] = JSON.parse(line)
  try {
    await steps[verb](argument)
    console.log('done')
  } catch (error) {
    console.log(String(error).split('\n')[0])
  }
}
await browser.close()
