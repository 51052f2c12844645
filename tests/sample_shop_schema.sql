-- The sample shop: Cardamine, as of 2026-06-30. Written by tests/sample_shop.py; do not edit.
DROP TABLE IF EXISTS reviews;
DROP TABLE IF EXISTS order_items;
DROP TABLE IF EXISTS orders;
DROP TABLE IF EXISTS products;
DROP TABLE IF EXISTS customers;
CREATE TABLE customers (
  customer_id INT PRIMARY KEY COMMENT 'customer number, as support quotes it',
  name VARCHAR(80) NOT NULL COMMENT 'a person, or a company for the segments business and reseller',
  email VARCHAR(120) NOT NULL UNIQUE,
  segment VARCHAR(10) NOT NULL COMMENT 'consumer, business or reseller',
  country CHAR(2) NOT NULL COMMENT 'ISO 3166 code: FR, BE, GB, DE, CH, NL, ES, IE or LU',
  city VARCHAR(40) NOT NULL,
  language CHAR(2) NOT NULL COMMENT 'language of correspondence: en or fr',
  cercle_member BOOLEAN NOT NULL COMMENT '1 for members of the loyalty programme Cercle',
  signed_up_on DATE NOT NULL COMMENT 'day the account was opened',
  KEY customers_country (country, segment)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='people and companies with an account';
CREATE TABLE products (
  product_id INT PRIMARY KEY,
  sku CHAR(9) NOT NULL UNIQUE COMMENT 'article number, such as SKU-10210',
  name VARCHAR(60) NOT NULL,
  category VARCHAR(12) NOT NULL COMMENT 'coffee, kitchen, air, cleaning, smart_home or supplies (spare parts and consumables)',
  price DECIMAL(8,2) NOT NULL COMMENT 'list price in EUR, VAT included',
  cost DECIMAL(8,2) NOT NULL COMMENT 'purchase cost in EUR',
  stock INT NOT NULL COMMENT 'pieces in the warehouses on 2026-06-30',
  launched_on DATE NOT NULL,
  discontinued_on DATE NULL COMMENT 'last day of sale; NULL while on sale'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='the catalogue, discontinued articles included';
CREATE TABLE orders (
  order_id INT PRIMARY KEY COMMENT 'order number',
  customer_id INT NOT NULL,
  ordered_at DATETIME NOT NULL COMMENT 'time of the order, UTC',
  status VARCHAR(10) NOT NULL COMMENT 'pending (not yet paid), paid, shipped, delivered, returned or cancelled',
  channel VARCHAR(6) NOT NULL COMMENT 'web, app or phone',
  shipping_method VARCHAR(8) NOT NULL COMMENT 'standard, express or pickup',
  shipping_fee DECIMAL(6,2) NOT NULL COMMENT 'EUR; 0 when delivery was free',
  total DECIMAL(10,2) NOT NULL COMMENT 'EUR: the items and the shipping fee',
  shipped_on DATE NULL COMMENT 'day it left the warehouse',
  delivered_on DATE NULL COMMENT 'day it reached the customer',
  KEY orders_ordered_at (ordered_at),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (customer_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='one row an order; revenue excludes cancelled and returned orders';
CREATE TABLE order_items (
  order_item_id INT PRIMARY KEY,
  order_id INT NOT NULL,
  product_id INT NOT NULL,
  quantity INT NOT NULL COMMENT 'pieces',
  unit_price DECIMAL(8,2) NOT NULL COMMENT 'EUR a piece, as paid',
  CONSTRAINT order_items_order FOREIGN KEY (order_id) REFERENCES orders (order_id),
  CONSTRAINT order_items_product FOREIGN KEY (product_id) REFERENCES products (product_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='the lines of an order';
CREATE TABLE reviews (
  review_id INT PRIMARY KEY,
  product_id INT NOT NULL,
  customer_id INT NOT NULL,
  rating TINYINT NOT NULL COMMENT 'stars, 1 (worst) to 5 (best)',
  language CHAR(2) NOT NULL COMMENT 'language of the text: en or fr',
  body VARCHAR(400) NOT NULL COMMENT 'text of the review',
  created_on DATE NOT NULL,
  CONSTRAINT reviews_product FOREIGN KEY (product_id) REFERENCES products (product_id),
  CONSTRAINT reviews_customer FOREIGN KEY (customer_id) REFERENCES customers (customer_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='what customers wrote about products they received';
