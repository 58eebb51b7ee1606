export { planDifferences, readBaseline } from './baseline.js';
export { BenchError, type BenchErrorCode } from './error.js';
export { htmlReport } from './html.js';
export { junitOfError, junitReport } from './junit.js';
export { markdownReport } from './markdown.js';
export { mintRefreshToken } from './mint.js';
export type { BenchReport } from './report.js';
export type { BenchPlan, BenchTarget, Progress } from './plan.js';
export { runBench, type BenchResult } from './run.js';
