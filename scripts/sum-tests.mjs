import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

// Adds up the JSON reports of vitest in a folder: prints what was skipped, and `N passed, N failed, N skipped`. Exit code 1
// when a test failed, none passed, or one was skipped for another reason than its Node's version.

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node scripts/sum-tests.mjs <folder>')

const sum = { passed: 0, failed: 0, skipped: 0 }
for (const file of existsSync(folder) ? readdirSync(folder) : []) {
  if (!file.endsWith('.json')) continue
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  sum.passed += report.numPassedTests
  sum.failed += report.numFailedTests
  sum.skipped += report.numPendingTests + report.numTodoTests
  for (const { assertionResults } of report.testResults)
    for (const { status, fullName } of assertionResults) {
      if (status === 'passed' || status === 'failed') continue
      console.log(`${file}: skipped: ${fullName}`)
      if (!/needs Node \d/.test(fullName)) process.exitCode = 1
    }
}

console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
if (sum.failed > 0 || sum.passed === 0) process.exitCode = 1
