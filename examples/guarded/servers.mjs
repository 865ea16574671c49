// The servers behind the edge: an API on 9001 and 9002, and a sign-in page on 9101 that asks it through the edge.
// Node only, no packages. Any name signs in, but for "mallory".
import http from "node:http";

if (!process.env.AUTH_WEB_TOKEN) throw new Error("first: export AUTH_WEB_TOKEN=any-long-random-text");

const json = (answer, status, body) =>
    answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body) + "\n");

for (const port of [9001, 9002]) {
    http.createServer((request, answer) => {
        if (request.url === "/health") return json(answer, 200, { well: true });
        if (request.url === "/") return json(answer, 200, { api: "users" });
        const name = /^\/users\/([a-z]+)$/.exec(request.url)?.[1];
        if (!name || name === "mallory") return json(answer, 404, { known: false });
        json(answer, 200, { name, server: port });
    }).listen(port, "127.0.0.1");
}

// For whom it asks goes along with the question, and so does the trace; the token says who asks.
function along(request) {
    const headers = { host: "api.localhost", "mainstay-caller": process.env.AUTH_WEB_TOKEN };
    for (const name of ["mainstay-client", "traceparent"])
        if (request.headers[name]) headers[name] = request.headers[name];
    return headers;
}

function ask(path, request) {
    return new Promise((resolve, reject) => {
        http.get({ host: "127.0.0.1", port: 8000, path, headers: along(request), timeout: 2000 }, answer => {
            answer.resume().on("end", () => resolve(answer.statusCode));
        }).on("error", reject).on("timeout", function () { this.destroy(new Error("too slow")); });
    });
}

const page = `<!doctype html><title>Sign in</title><form method="post" action="/login">
<label>Name <input name="name"></label> <button>Sign in</button></form>\n`;

http.createServer(async (request, answer) => {
    if (request.url === "/health") return json(answer, 200, { well: true });
    if (request.method !== "POST" || request.url !== "/login")
        return answer.writeHead(200, { "content-type": "text/html" }).end(page);
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) {
        body += chunk;
        if (body.length > 1000) return json(answer, 413, { error: "too long" });
    }
    const name = (new URLSearchParams(body).get("name") ?? "").replace(/[^a-z]/g, "");
    const status = await ask(`/users/${name}`, request).catch(() => 502);
    if (status === 200) return answer.writeHead(303, { location: "/" }).end();
    json(answer, status === 404 ? 401 : 503, { signed_in: false });
}).listen(9101, "127.0.0.1");
