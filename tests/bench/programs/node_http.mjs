import http from "node:http";

http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    JSON.parse(Buffer.concat(parts));
    const body = JSON.stringify({ type: "systemMessage", text: "Hello" });
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", body.length);
    response.end(body);
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
