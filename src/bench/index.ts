export { readBaseline } from './baseline.js';
export { BenchError, type BenchErrorCode } from './error.js';
export { htmlReport } from './html.js';
export { mintRefreshToken } from './mint.js';
export type { BenchReport } from './report.js';
export { runBench, type BenchPlan, type BenchResult, type BenchTarget, type Progress } from './run.js';
